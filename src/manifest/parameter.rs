//! Parameters: whether a declaration makes sense, whether a value fits it, and what compose gets.

use std::collections::BTreeMap;

use regex::Regex;

use super::finding::{Findings, UnitId, meant};
use super::schema::{Parameter, ParameterName, ParameterValue};
use super::shape::{a_kind, shown};
use super::yaml::{Fault, Mark, Node};
use crate::model::{RepoPath, Variable};

/// A finding about a parameter, and the stretch of the file that must not be shown.
pub(super) struct Problem {
    fault: Fault,
    secret: Option<(Mark, Mark)>,
}

impl Problem {
    fn new(mark: Mark, code: &'static str, message: String, help: Option<String>) -> Self {
        let fault = Fault {
            mark,
            code,
            message,
            help,
        };
        Self {
            fault,
            secret: None,
        }
    }

    fn secret(name: &ParameterName, node: &Node) -> Self {
        let message = format!("`{name}` is a secret and must not be written here");
        let help = "say where it is found: `{fromEnv: NAME}` or `{fromFile: PATH}`; and change it, since it is in the history now";
        let problem = Self::new(node.mark, "plain-secret", message, Some(help.to_owned()));
        Self {
            secret: Some((node.mark, node.end)),
            ..problem
        }
    }

    pub fn tell(self, path: &RepoPath, unit: UnitId, findings: &mut Findings) {
        if let Some((from, to)) = self.secret {
            findings.mask(path, from, to);
        }
        findings.error(path, unit, self.fault);
    }
}

/// What is wrong with the declaration of a parameter in itself.
pub(super) fn check_declaration(
    name: &ParameterName,
    parameter: &Parameter,
    node: &Node,
) -> Vec<Problem> {
    let default = node.nearest(&["default"]);
    if parameter.is_secret() && node.get("default").is_some() {
        return vec![Problem::secret(name, default)];
    }
    if let Parameter::Integer {
        minimum: Some(least),
        maximum: Some(most),
        ..
    } = parameter
        && least > most
    {
        let mark = node.nearest(&["minimum"]).mark;
        let message = format!("no number is at least {least} and at most {most}");
        let help = Some("exchange `minimum` and `maximum`".to_owned());
        return vec![Problem::new(mark, "empty-range", message, help)];
    }
    let value = parameter.default_value();
    let misfit = value.and_then(|value| misfit(name, parameter, &value, default));
    misfit.into_iter().collect()
}

/// The variables that these values come to, and everything that is wrong with them.
///
/// `node` is the map of values; `home` is where a missing one would have to be written.
pub(super) fn variables(
    template: &str,
    declared: &BTreeMap<ParameterName, Parameter>,
    given: &BTreeMap<ParameterName, ParameterValue>,
    node: &Node,
) -> (BTreeMap<String, Variable>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut variables = BTreeMap::new();
    for (name, value) in given {
        let Some(parameter) = declared.get(name) else {
            let mark = node
                .entry(name.as_str())
                .map_or(node.mark, |entry| entry.mark);
            let message = format!("template `{template}` has no parameter `{name}`");
            let help = meant(name.as_str(), declared.keys().map(ParameterName::as_str));
            problems.push(Problem::new(mark, "unknown-parameter", message, help));
            continue;
        };
        let place = node.nearest(&[name.as_str()]);
        match misfit(name, parameter, value, place) {
            Some(problem) => problems.push(problem),
            None => drop(variables.insert(name.to_string(), variable(value))),
        }
    }
    for (name, parameter) in declared {
        if given.contains_key(name) {
            continue;
        }
        match parameter.default_value() {
            Some(value) => drop(variables.insert(name.to_string(), variable(&value))),
            None => problems.push(missing(template, name, parameter, node)),
        }
    }
    (variables, problems)
}

/// What compose gets for a value: the text byte for byte.
pub(super) fn variable(value: &ParameterValue) -> Variable {
    match value {
        ParameterValue::Boolean(value) => Variable::Plain(value.to_string()),
        ParameterValue::Integer(value) => Variable::Plain(value.to_string()),
        ParameterValue::Text(value) => Variable::Plain(value.clone()),
        ParameterValue::Secret(reference) => Variable::Secret(reference.clone().into()),
    }
}

fn missing(template: &str, name: &ParameterName, parameter: &Parameter, node: &Node) -> Problem {
    let message = format!("template `{template}` needs the parameter `{name}`");
    let about = parameter.description().map_or(String::new(), |text| {
        format!(" ({})", text.trim_end_matches('.'))
    });
    let example = if parameter.is_secret() {
        "{fromEnv: NAME}"
    } else {
        "…"
    };
    let help = format!("add `{name}: {example}` to `parameters`{about}");
    Problem::new(node.mark, "missing-parameter", message, Some(help))
}

/// Why a value does not fit its parameter.
fn misfit(
    name: &ParameterName,
    parameter: &Parameter,
    value: &ParameterValue,
    node: &Node,
) -> Option<Problem> {
    match (parameter, value) {
        (Parameter::String { .. }, ParameterValue::Secret(_)) => None,
        (Parameter::String { secret: true, .. }, _) => Some(Problem::secret(name, node)),
        (Parameter::String { pattern, .. }, ParameterValue::Text(text)) => {
            let pattern = pattern.as_deref()?;
            let is_match = Regex::new(pattern).is_ok_and(|regex| regex.is_match(text));
            let message = format!("{} does not fit the parameter `{name}`", shown(text));
            let help = Some(format!("it must match `{pattern}`"));
            (!is_match).then(|| Problem::new(node.mark, "bad-parameter", message, help))
        }
        (
            Parameter::Integer {
                minimum, maximum, ..
            },
            ParameterValue::Integer(number),
        ) => out_of_range(name, *number, *minimum, *maximum, node),
        (Parameter::Boolean { .. }, ParameterValue::Boolean(_)) => None,
        (Parameter::Choice { choices, .. }, ParameterValue::Text(text)) => {
            let message = format!("{} is no choice of the parameter `{name}`", shown(text));
            let help = meant(text, choices.iter().map(String::as_str));
            (!choices.contains(text))
                .then(|| Problem::new(node.mark, "bad-parameter", message, help))
        }
        (
            Parameter::String { .. }
            | Parameter::Integer { .. }
            | Parameter::Boolean { .. }
            | Parameter::Choice { .. },
            _,
        ) => Some(wrong_type(name, parameter, value, node)),
    }
}

fn out_of_range(
    name: &ParameterName,
    number: i64,
    minimum: Option<i64>,
    maximum: Option<i64>,
    node: &Node,
) -> Option<Problem> {
    let is_low = minimum.is_some_and(|least| number < least);
    let is_high = maximum.is_some_and(|most| number > most);
    let help = match (minimum, maximum) {
        (Some(least), Some(most)) => format!("take one from {least} to {most}"),
        (Some(least), None) => format!("take {least} or more"),
        (None, Some(most)) => format!("take {most} or less"),
        (None, None) => return None,
    };
    let message = format!("the parameter `{name}` is {number}, which is out of range");
    (is_low || is_high).then(|| Problem::new(node.mark, "bad-parameter", message, Some(help)))
}

fn wrong_type(
    name: &ParameterName,
    parameter: &Parameter,
    value: &ParameterValue,
    node: &Node,
) -> Problem {
    let wanted = match parameter {
        Parameter::String { .. } => "a text",
        Parameter::Integer { .. } => "a whole number",
        Parameter::Boolean { .. } => "true or false",
        Parameter::Choice { .. } => "one of its choices",
    };
    let message = format!(
        "the parameter `{name}` must be {wanted}, not {}",
        a_kind(node)
    );
    let is_text = matches!(
        parameter,
        Parameter::String { .. } | Parameter::Choice { .. }
    );
    let help = match value {
        ParameterValue::Boolean(_) | ParameterValue::Integer(_) if is_text => {
            Some(format!("quote it: `{name}: \"{}\"`", node.raw))
        }
        ParameterValue::Text(text) if is_number_or_truth(text) => {
            Some("write it without quotes".to_owned())
        }
        ParameterValue::Text(_) => None,
        ParameterValue::Secret(_) => Some("only texts can be secrets".to_owned()),
        ParameterValue::Boolean(_) | ParameterValue::Integer(_) => None,
    };
    Problem::new(node.mark, "bad-parameter", message, help)
}

fn is_number_or_truth(text: &str) -> bool {
    text.parse::<i64>().is_ok() || matches!(text, "true" | "false")
}
