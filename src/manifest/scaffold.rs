//! New environments, as text: what `metrom new` writes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::catalog::Template;
use super::schema::{API_VERSION, Parameter, ParameterName, ParameterValue, SecretReference};
use crate::model::{EnvName, ProjectName, ProviderName, TemplateName};

/// What a person answered when asked for a new environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    pub name: EnvName,
    pub project: Option<ProjectName>,
    pub placement: Option<ProviderName>,
    /// Parameters that are not answered keep the default of the template.
    pub parameters: BTreeMap<ParameterName, ParameterValue>,
    /// Where an editor finds the schema: a URL, or a path relative to the new file.
    pub schema: Option<String>,
}

/// The text of a new environment made from a template.
///
/// **Guarantees.** Loaded again it is the environment that was answered, byte for byte. Parameters
/// that keep their default are there as comments.
#[must_use]
pub fn environment(name: &TemplateName, template: &Template, answers: &Answers) -> String {
    let mut text = String::new();
    if let Some(schema) = &answers.schema {
        text += &format!("# yaml-language-server: $schema={schema}\n");
    }
    text += &format!("apiVersion: {API_VERSION}\nkind: Environment\n");
    text += &format!("metadata:\n  name: {}\nspec:\n", answers.name);
    if let Some(project) = &answers.project {
        text += &format!("  project: {project}\n");
    }
    if let Some(placement) = &answers.placement {
        text += &format!("  placement: {placement}\n");
    }
    text += &format!("  template: {name}\n");
    text += &parameters(&template.spec.parameters, &answers.parameters);
    text
}

fn parameters(
    declared: &BTreeMap<ParameterName, Parameter>,
    answered: &BTreeMap<ParameterName, ParameterValue>,
) -> String {
    if declared.is_empty() {
        return String::new();
    }
    let mut text = match answered.is_empty() {
        // With nothing but comments below it, the field would have no value.
        true => "  parameters: {}\n".to_owned(),
        false => "  parameters:\n".to_owned(),
    };
    for (name, parameter) in declared {
        for line in parameter.description().into_iter().flat_map(str::lines) {
            text += &format!("    # {line}\n");
        }
        match (answered.get(name), parameter.default_value()) {
            (Some(value), _) => text += &format!("    {name}: {}\n", written(value)),
            (None, Some(value)) => text += &format!("    # {name}: {}\n", written(&value)),
            (None, None) => text += &format!("    # {name}: …\n"),
        }
    }
    text
}

fn written(value: &ParameterValue) -> String {
    match value {
        ParameterValue::Boolean(value) => value.to_string(),
        ParameterValue::Integer(value) => value.to_string(),
        ParameterValue::Text(value) => quoted(value),
        ParameterValue::Secret(SecretReference::FromEnv(name)) => {
            format!("{{fromEnv: {}}}", quoted(name))
        }
        ParameterValue::Secret(SecretReference::FromFile(path)) => {
            format!("{{fromFile: {}}}", quoted(&path.to_string_lossy()))
        }
    }
}

/// A text in double quotes, on one line, that reads back as the same text whatever is in it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => write!(out, "\\U{:08X}", u32::from(c)).expect("a String takes all text"),
        }
    }
    out + "\""
}
