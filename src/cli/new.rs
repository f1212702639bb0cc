//! `metrom new TEMPLATE [NAME]`: an environment from a template, asking for what is not said.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use dialoguer::{Confirm, Input, Select};
use serde_json::json;

use super::exit::Exit;
use super::output::{FAINT, GOOD, paint};
use super::{Global, check};
use crate::manifest::scaffold::{self, Answers};
use crate::manifest::schema::{Parameter, ParameterName, ParameterValue, SecretReference};
use crate::manifest::{Catalog, Template};
use crate::model::{EnvName, ProjectName, ProviderName, TemplateName};

/// Writes a new environment from a template
///
/// Asks for the parameters at a terminal; elsewhere they are given with `--set`, and the others
/// keep their defaults.
#[derive(Debug, Args)]
pub struct New {
    template: TemplateName,
    /// The name of the new environment
    name: Option<EnvName>,
    /// A parameter; that of a secret is `env:NAME` or `file:PATH`
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// The project that it belongs to
    #[arg(long)]
    project: Option<ProjectName>,
    /// The host on which the machine is made
    #[arg(long)]
    placement: Option<ProviderName>,
    /// Writes it there [default: environments/NAME.yaml]
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Asks nothing
    #[arg(short, long)]
    yes: bool,
}

pub async fn run(args: &New, global: &Global) -> Result<Exit> {
    let root = check::folder(None)?;
    let catalog = check::catalog(&root).await?;
    let template = find(&catalog, &args.template)?;
    let is_asking = !args.yes && std::io::stdin().is_terminal();
    let name = match &args.name {
        Some(name) => name.clone(),
        None if is_asking => ask("name of the environment", None, EnvName::parse)?,
        None => bail!("say how it is called: `metrom new {} NAME`", args.template),
    };
    if catalog.names().any(|other| *other == name) {
        bail!("there is an environment `{name}` already; take another name");
    }
    let given = given(&args.set, template)?;
    let parameters = match is_asking {
        true => ask_for(template, given)?,
        false => given,
    };
    let answers = Answers {
        name,
        project: args.project.clone(),
        placement: args.placement.clone(),
        parameters,
        schema: None,
    };
    let text = scaffold::environment(&args.template, template, &answers);
    let relative = args
        .write
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("environments/{}.yaml", answers.name)));
    let path = root.join(&relative);
    write(&path, &text)?;
    if !global.output.print(&json!({"path": path, "text": text}))? {
        anstream::println!("{} {}", paint(GOOD, "wrote"), path.display());
        let moves = "look it over, then: metrom check, git add, git commit, metrom plan";
        anstream::println!("{}", paint(FAINT, moves));
    }
    Ok(Exit::Done)
}

fn find<'a>(catalog: &'a Catalog, name: &TemplateName) -> Result<&'a Template> {
    match catalog.templates.get(name) {
        Some(template) => Ok(template),
        None => {
            let known: Vec<&str> = catalog.templates.keys().map(TemplateName::as_str).collect();
            bail!(
                "there is no template `{name}`; there are: {}",
                known.join(", ")
            )
        }
    }
}

fn write(path: &std::path::Path, text: &str) -> Result<()> {
    use std::io::Write;
    let shown = path.display();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder of {shown}"))?;
    }
    // Never over a file that is there.
    let mut file =
        std::fs::File::create_new(path).with_context(|| format!("cannot write {shown}"))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {shown}"))
}

type Values = BTreeMap<ParameterName, ParameterValue>;

/// What was said with `--set`.
fn given(set: &[String], template: &Template) -> Result<Values> {
    let mut values = Values::new();
    for pair in set {
        let Some((name, text)) = pair.split_once('=') else {
            bail!("`--set {pair}` has no `=`; write `--set NAME=VALUE`");
        };
        let name = ParameterName::parse(name)?;
        let Some(parameter) = template.spec.parameters.get(&name) else {
            let known: Vec<&str> = template
                .spec
                .parameters
                .keys()
                .map(|p| p.as_str())
                .collect();
            bail!(
                "the template has no parameter `{name}`; it has: {}",
                known.join(", ")
            );
        };
        let value =
            value(parameter, text).map_err(|reason| anyhow::anyhow!("`{name}`: {reason}"))?;
        values.insert(name, value);
    }
    Ok(values)
}

/// A text as the value of a parameter, or what is wrong with it.
fn value(parameter: &Parameter, text: &str) -> Result<ParameterValue, String> {
    match parameter {
        Parameter::String { secret: true, .. } => secret(text),
        Parameter::String { pattern, .. } => {
            let pattern = pattern.as_deref().map(regex::Regex::new);
            match pattern {
                Some(Ok(pattern)) if !pattern.is_match(text) => {
                    Err(format!("`{text}` does not match `{pattern}`"))
                }
                Some(_) | None => Ok(ParameterValue::Text(text.to_owned())),
            }
        }
        Parameter::Integer {
            minimum, maximum, ..
        } => {
            let number: i64 = text
                .parse()
                .map_err(|_| format!("`{text}` is no whole number"))?;
            let is_small = minimum.is_some_and(|minimum| number < minimum);
            let is_large = maximum.is_some_and(|maximum| number > maximum);
            match is_small || is_large {
                true => Err(format!("{number} is out of range")),
                false => Ok(ParameterValue::Integer(number)),
            }
        }
        Parameter::Boolean { .. } => match text {
            "true" | "yes" => Ok(ParameterValue::Boolean(true)),
            "false" | "no" => Ok(ParameterValue::Boolean(false)),
            _ => Err(format!("`{text}` is neither `true` nor `false`")),
        },
        Parameter::Choice { choices, .. } => match choices.iter().any(|choice| choice == text) {
            true => Ok(ParameterValue::Text(text.to_owned())),
            false => Err(format!("`{text}` is none of: {}", choices.join(", "))),
        },
    }
}

/// A secret is never written down; where it is found is.
fn secret(text: &str) -> Result<ParameterValue, String> {
    let reference = match text.split_once(':') {
        Some(("env", name)) if !name.is_empty() => SecretReference::FromEnv(name.to_owned()),
        Some(("file", path)) if !path.is_empty() => SecretReference::FromFile(path.into()),
        Some(_) | None => {
            return Err("it is a secret: say `env:NAME` or `file:PATH`, not the value".to_owned());
        }
    };
    Ok(ParameterValue::Secret(reference))
}

/// Asks for each parameter that was not said; an unchanged default is not written down.
fn ask_for(template: &Template, mut values: Values) -> Result<Values> {
    for (name, parameter) in &template.spec.parameters {
        if values.contains_key(name) {
            continue;
        }
        if let Some(description) = parameter.description() {
            anstream::eprintln!("{}", paint(FAINT, description));
        }
        let answer = ask_one(name, parameter)?;
        if parameter.default_value().as_ref() != Some(&answer) {
            values.insert(name.clone(), answer);
        }
    }
    Ok(values)
}

fn ask_one(name: &ParameterName, parameter: &Parameter) -> Result<ParameterValue> {
    let context = || format!("there was no answer for `{name}`");
    match parameter {
        Parameter::Boolean { default, .. } => {
            let asked = Confirm::new().with_prompt(name.to_string());
            let asked = asked.default(default.unwrap_or(false)).interact();
            asked.map(ParameterValue::Boolean).with_context(context)
        }
        Parameter::Choice {
            choices, default, ..
        } => {
            let at = choices
                .iter()
                .position(|choice| Some(choice) == default.as_ref());
            let asked = Select::new().with_prompt(name.to_string()).items(choices);
            let chosen = asked
                .default(at.unwrap_or(0))
                .interact()
                .with_context(context)?;
            Ok(ParameterValue::Text(choices[chosen].clone()))
        }
        Parameter::String { secret: true, .. } => {
            let prompt = format!("{name} (a secret: env:NAME or file:PATH)");
            ask(&prompt, None, |text| value(parameter, text))
        }
        Parameter::String { default, .. } => ask(name.as_str(), default.clone(), |text| {
            value(parameter, text)
        }),
        Parameter::Integer { default, .. } => {
            let default = default.map(|number| number.to_string());
            ask(name.as_str(), default, |text| value(parameter, text))
        }
    }
}

/// Asks until the answer is understood.
fn ask<T, E: std::fmt::Display>(
    prompt: &str,
    default: Option<String>,
    understand: impl Fn(&str) -> Result<T, E>,
) -> Result<T> {
    loop {
        let mut input = Input::<String>::new().with_prompt(prompt);
        if let Some(default) = &default {
            input = input.default(default.clone());
        }
        let text = input
            .interact_text()
            .with_context(|| format!("there was no answer for `{prompt}`"))?;
        match understand(&text) {
            Ok(answer) => return Ok(answer),
            Err(reason) => anstream::eprintln!("{reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_a_value_of_the_parameters_type_or_a_reason() {
        let workers = Parameter::Integer {
            description: None,
            default: None,
            minimum: Some(1),
            maximum: Some(8),
        };
        assert_eq!(value(&workers, "3"), Ok(ParameterValue::Integer(3)));
        assert!(value(&workers, "9").unwrap_err().contains("out of range"));
        assert!(
            value(&workers, "many")
                .unwrap_err()
                .contains("no whole number")
        );
    }

    #[test]
    fn a_secret_is_only_ever_a_reference() {
        let password = Parameter::String {
            description: None,
            default: None,
            pattern: None,
            secret: true,
        };
        let expected = SecretReference::FromEnv("SHOP_PASSWORD".into());
        assert_eq!(
            value(&password, "env:SHOP_PASSWORD"),
            Ok(ParameterValue::Secret(expected))
        );
        assert!(
            value(&password, "hunter2")
                .unwrap_err()
                .contains("env:NAME")
        );
    }
}
