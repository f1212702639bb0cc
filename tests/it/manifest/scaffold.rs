//! New environments as text.

use std::collections::BTreeMap;

use metrom::manifest::Standing;
use metrom::manifest::scaffold::{Answers, environment};
use metrom::manifest::schema::{ParameterName, ParameterValue, SecretReference};
use metrom::model::{EnvName, TemplateName};
use proptest::prelude::*;

use super::support::{Repo, TEMPLATE, env, lines, standing};

const PARAMETERS: &str = "
  parameters:
    greeting: {type: string, default: hello, description: \"What is said.\\nTo whom, you ask.\"}
    workers: {type: integer, default: 2}
    password: {type: string, secret: true, description: Of the database.}";

fn repo() -> Repo {
    Repo::small().with(
        "templates/web/template.yaml",
        TEMPLATE.replace(" {}", PARAMETERS),
    )
}

fn written(parameters: &[(&str, ParameterValue)]) -> String {
    let catalog = repo().load();
    let name = TemplateName::parse("web").unwrap();
    let answers = Answers {
        name: EnvName::parse("new").unwrap(),
        project: None,
        placement: Some("lab".parse().unwrap()),
        parameters: parameters
            .iter()
            .map(|(name, value)| (ParameterName::parse(name).unwrap(), value.clone()))
            .collect(),
        schema: Some("../schema/environment.json".to_owned()),
    };
    environment(&name, &catalog.templates[&name], &answers)
}

fn password() -> (&'static str, ParameterValue) {
    (
        "password",
        ParameterValue::Secret(SecretReference::FromEnv("DB".to_owned())),
    )
}

#[test]
fn it_explains_itself_and_loads_without_findings() {
    let text = written(&[password(), ("workers", ParameterValue::Integer(3))]);
    assert_eq!(
        text,
        "\
# yaml-language-server: $schema=../schema/environment.json
apiVersion: metrom.dev/v1
kind: Environment
metadata:
  name: new
spec:
  placement: lab
  template: web
  parameters:
    # What is said.
    # To whom, you ask.
    # greeting: \"hello\"
    # Of the database.
    password: {fromEnv: \"DB\"}
    workers: 3
"
    );
    let catalog = repo().with("environments/new.yaml", text).load();
    assert_eq!(lines(&catalog), [""; 0]);
    assert_eq!(standing(&catalog, "new"), Standing::Good);
}

#[test]
fn without_answers_only_what_must_be_answered_is_found() {
    let text = written(&[]);
    let found = repo().with("environments/new.yaml", text).findings();
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("needs the parameter `password`"),
        "{found:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_comes_back_byte_for_byte(value in any::<String>()) {
        let text = written(&[password(), ("greeting", ParameterValue::Text(value.clone()))]);
        let catalog = repo().with("environments/new.yaml", &text).load();
        prop_assert_eq!(lines(&catalog), [""; 0], "{}", text);
        let given: &BTreeMap<_, _> = &catalog.environments[&env("new")].spec.parameters;
        prop_assert_eq!(&given["greeting"], &ParameterValue::Text(value));
    }
}
