//! Templates: what they inherit, what can be wrong with them, and their parameters.

use metrom::manifest::Standing;
use metrom::model::{EnvName, SecretRef, Spec, Variable};

use super::render::render_at_noon;
use super::support::{Repo, TEMPLATE, environment, lines, standing};

const PARAMETERS: &str = "
  parameters:
    version: {type: string, default: '16', pattern: '^[0-9]+$', description: Major version of PostgreSQL.}
    workers: {type: integer, default: 2, minimum: 1, maximum: 8}
    debug: {type: boolean, default: false}
    size: {type: choice, choices: [small, large], default: small}
    greeting: {type: string, default: hello}
    password: {type: string, secret: true, description: Of the database.}";

fn with_parameters(parameters: &str) -> Repo {
    let spec = format!("{{template: web, parameters: {parameters}}}");
    Repo::small()
        .with(
            "templates/web/template.yaml",
            TEMPLATE.replace(" {}", PARAMETERS),
        )
        .with("environments/dev.yaml", environment("dev", &spec))
}

fn variable(repo: Repo, name: &str) -> Variable {
    let desired = render_at_noon(&repo.load(), "dev");
    match &desired.resources[&metrom::model::Key::Stack].spec {
        Spec::Stack(stack) => stack.variables[name].clone(),
        other => panic!("{other:?}"),
    }
}

fn plain(text: &str) -> Variable {
    Variable::Plain(text.to_owned())
}

#[test]
fn parameters_have_defaults_and_reach_compose_as_variables() {
    let repo = with_parameters("{workers: 4, debug: true, password: {fromEnv: PASSWORD}}");
    assert_eq!(variable(repo.clone(), "version"), plain("16"));
    assert_eq!(variable(repo.clone(), "workers"), plain("4"));
    assert_eq!(variable(repo.clone(), "debug"), plain("true"));
    assert_eq!(variable(repo.clone(), "size"), plain("small"));
    assert_eq!(variable(repo.clone(), "METROM_ENVIRONMENT"), plain("dev"));
    let secret = Variable::Secret(SecretRef::Env("PASSWORD".to_owned()));
    assert_eq!(variable(repo, "password"), secret);
}

#[test]
fn shell_syntax_quotes_and_newlines_pass_byte_for_byte() {
    let odd = "$(rm -rf /); `id` \"'\\ ${HOME} #\n\ttwo\u{7f}\u{1f980} %s\r\n";
    let json = serde_json::to_string(odd).unwrap();
    // JSON leaves DEL as it is, which YAML does not take raw.
    let written = json.replace('\u{7f}', "\\x7f");
    let repo = with_parameters(&format!(
        "{{greeting: {written}, password: {{fromFile: /run/p}}}}"
    ));
    assert_eq!(variable(repo, "greeting"), plain(odd));
}

#[test]
fn every_misfit_of_a_parameter_has_its_words() {
    let repo = with_parameters(
        "{version: 16, workers: 9, debug: maybe, size: medium, greting: hi, password: hunter2}",
    );
    let catalog = repo.load();
    assert_eq!(
        lines(&catalog),
        [
            "environments/dev.yaml:4:45: the parameter `version` must be a text, not a whole number; quote it: `version: \"16\"`",
            "environments/dev.yaml:4:58: the parameter `workers` is 9, which is out of range; take one from 1 to 8",
            "environments/dev.yaml:4:68: the parameter `debug` must be true or false, not a text",
            "environments/dev.yaml:4:81: `medium` is no choice of the parameter `size`; there are `large`, `small`",
            "environments/dev.yaml:4:89: template `web` has no parameter `greting`; did you mean `greeting`?",
            "environments/dev.yaml:4:112: `password` is a secret and must not be written here; say where it is found: `{fromEnv: NAME}` or `{fromFile: PATH}`; and change it, since it is in the history now",
        ]
    );
    assert!(!format!("{:?}", catalog.diagnostics).contains("hunter2"));
}

#[test]
fn a_missing_parameter_says_what_it_is_for() {
    assert_eq!(
        with_parameters("{version: sixteen}").findings(),
        [
            "environments/dev.yaml:4:35: template `web` needs the parameter `password`; add `password: {fromEnv: NAME}` to `parameters` (Of the database)",
            "environments/dev.yaml:4:45: `sixteen` does not fit the parameter `version`; it must match `^[0-9]+$`",
        ]
    );
}

#[test]
fn a_parameter_must_make_sense_in_itself() {
    let parameters = "
  parameters:
    2fast: {type: string}
    METROM_X: {type: string}
    kind: {type: strin}
    bare: {default: x}
    pattern: {type: string, pattern: '('}
    range: {type: integer, minimum: 3, maximum: 1}
    token: {type: string, secret: true, default: hunter2}
    many: {type: choice, choices: [a], default: b}";
    let template = TEMPLATE.replace(" {}", parameters);
    let catalog = Repo::small()
        .with("templates/web/template.yaml", template)
        .load();
    assert_eq!(
        lines(&catalog),
        [
            "templates/web/template.yaml:6:5: `2fast` cannot be a variable; start with a letter or `_` and use letters, digits and `_`",
            "templates/web/template.yaml:7:5: `METROM_X` is reserved; parameters must not start with METROM_, COMPOSE_ or DOCKER_",
            "templates/web/template.yaml:8:18: `strin` is no value of `spec.parameters.kind.type`; did you mean `string`?",
            "templates/web/template.yaml:9:11: `spec.parameters.bare.type` is missing; write `string`, `integer`, `boolean` or `choice`",
            "templates/web/template.yaml:10:38: `(` is not a regular expression: unclosed group",
        ]
    );
    let sound = template_without_bad_shape(parameters);
    let catalog = Repo::small()
        .with("templates/web/template.yaml", sound)
        .load();
    assert_eq!(
        lines(&catalog),
        [
            "templates/web/template.yaml:6:37: no number is at least 3 and at most 1; exchange `minimum` and `maximum`",
            "templates/web/template.yaml:7:50: `token` is a secret and must not be written here; say where it is found: `{fromEnv: NAME}` or `{fromFile: PATH}`; and change it, since it is in the history now",
            "templates/web/template.yaml:8:49: `b` is no choice of the parameter `many`; there is only `a`",
        ]
    );
    assert!(!format!("{:?}", catalog.diagnostics).contains("hunter2"));
}

fn template_without_bad_shape(parameters: &str) -> String {
    let bad = ["2fast", "METROM_X", "kind:", "bare", "pattern:"];
    let lines = parameters
        .lines()
        .filter(|line| !bad.iter().any(|b| line.trim().starts_with(b)));
    TEMPLATE.replace(" {}", &lines.collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_template_inherits_files_parameters_and_machine() {
    let catalog = Repo::small()
        .with("templates/web/conf/a", "base")
        .with("templates/web/conf/b", "base")
        .with("templates/web/template.yaml", TEMPLATE.replace("{}", "{machine: {cpus: 4, memory: 3GiB}, parameters: {x: {type: string, default: base}, y: {type: string, default: base}}}"))
        .with("templates/child/template.yaml", TEMPLATE.replace("web", "child").replace("{}", "{extends: web, machine: {cpus: 8}, parameters: {x: {type: string, default: child}}}"))
        .with("templates/child/conf/a", "child")
        .with("environments/dev.yaml", environment("dev", "{template: child}"))
        .load();
    assert_eq!(lines(&catalog), [""; 0]);
    let desired = render_at_noon(&catalog, "dev");
    let Spec::Stack(stack) = &desired.resources[&metrom::model::Key::Stack].spec else {
        panic!()
    };
    assert_eq!(
        stack.files.keys().collect::<Vec<_>>(),
        ["conf/a", "conf/b", "docker-compose.yml"]
    );
    assert_eq!(&*stack.files["conf/a"].bytes, b"child");
    assert_eq!(&*stack.files["conf/b"].bytes, b"base");
    assert_eq!(stack.variables["x"], plain("child"));
    assert_eq!(stack.variables["y"], plain("base"));
    let Spec::Machine(machine) = &desired.resources[&metrom::model::Key::Machine].spec else {
        panic!()
    };
    assert_eq!((machine.cpus, machine.memory_mib), (8, 3072));
}

#[test]
fn a_template_that_is_missing_or_renamed_is_named_with_the_one_that_was_meant() {
    assert_eq!(
        Repo::small()
            .with(
                "environments/dev.yaml",
                environment("dev", "{template: webb}")
            )
            .findings(),
        ["environments/dev.yaml:4:18: template `webb` is not defined; did you mean `web`?"]
    );
    let child = TEMPLATE
        .replace("web", "child")
        .replace("{}", "{extends: node-postgres}");
    assert_eq!(
        Repo::small()
            .with("templates/child/template.yaml", child)
            .findings(),
        [
            "templates/child/template.yaml:4:17: template `node-postgres` is not defined; there are `child`, `web`"
        ]
    );
}

#[test]
fn a_circle_of_templates_is_named_from_each_of_them_and_stalls_only_what_uses_it() {
    let template = |name: &str, base: &str| {
        TEMPLATE
            .replace("web", name)
            .replace("{}", &format!("{{extends: {base}}}"))
    };
    let catalog = Repo::small()
        .with("templates/a/template.yaml", template("a", "b"))
        .with("templates/b/template.yaml", template("b", "a"))
        .with("environments/a.yaml", environment("a", "{template: a}"))
        .with(
            "environments/web.yaml",
            environment("web", "{template: web}"),
        )
        .load();
    assert_eq!(
        lines(&catalog),
        [
            "templates/a/template.yaml:4:17: templates extend one another in a circle: `a` → `b` → `a`; take `extends` out of one of them",
            "templates/b/template.yaml:4:17: templates extend one another in a circle: `b` → `a` → `b`; take `extends` out of one of them",
        ]
    );
    assert_eq!(standing(&catalog, "a"), Standing::Broken);
    assert_eq!(standing(&catalog, "web"), Standing::Good);
    let why: Vec<_> = catalog
        .stalled_by(&EnvName::parse("a").unwrap())
        .map(|d| d.code)
        .collect();
    assert_eq!(why, ["template-cycle", "template-cycle"]);
}

#[test]
fn a_compose_file_that_does_not_parse_is_found_in_the_template_and_stalls_its_users() {
    let catalog = Repo::small()
        .with(
            "templates/web/docker-compose.yml",
            "services:\n  web:\n\timage: nginx\n",
        )
        .with(
            "environments/dev.yaml",
            environment("dev", "{template: web}"),
        )
        .load();
    assert_eq!(
        lines(&catalog),
        [
            "templates/web/docker-compose.yml:3:1: this is not YAML: found character that cannot start any token while scanning for the next token; YAML indents with spaces, never with tabs; quote a text that begins with `@`, `` ` `` or `%`"
        ]
    );
    assert_eq!(standing(&catalog, "dev"), Standing::Broken);
    let why: Vec<_> = catalog
        .stalled_by(&EnvName::parse("dev").unwrap())
        .collect();
    assert_eq!(why.len(), 1);
}

#[test]
fn a_compose_file_without_services_or_under_another_name() {
    assert_eq!(
        Repo::small()
            .with("templates/web/docker-compose.yml", "volumes: {data: {}}\n")
            .findings(),
        [
            "templates/web/docker-compose.yml:1:1: this compose file has no services; declare at least one under `services:`"
        ]
    );
    let mut repo = Repo::small().with("templates/web/compose.yaml", super::support::COMPOSE);
    repo.0
        .retain(|path, _| path.file_name() != "docker-compose.yml");
    assert_eq!(
        repo.findings(),
        [
            "templates/web/template.yaml:4:7: template `web` has no compose file `docker-compose.yml`; there is `compose.yaml`: write `compose: compose.yaml`, or rename it"
        ]
    );
}

#[test]
fn the_env_file_of_a_template_is_left_and_what_would_be_lost_is_said() {
    let catalog = Repo::small()
        .with(
            "templates/web/.env",
            "# for those without Metrom\nPORT=8080\nTOKEN=hunter2\n",
        )
        .with(
            "templates/web/template.yaml",
            TEMPLATE.replace("{}", "{parameters: {PORT: {type: string, default: '80'}}}"),
        )
        .with(
            "environments/dev.yaml",
            environment("dev", "{template: web}"),
        )
        .load();
    assert_eq!(
        lines(&catalog),
        [
            "templates/web/.env:3:1: `TOKEN` is not taken from here: Metrom writes `.env` itself; declare `TOKEN` as a parameter of the template"
        ]
    );
    assert!(!format!("{:?}", catalog.diagnostics).contains("hunter2"));
    let desired = render_at_noon(&catalog, "dev");
    let Spec::Stack(stack) = &desired.resources[&metrom::model::Key::Stack].spec else {
        panic!()
    };
    assert_eq!(
        stack.files.keys().collect::<Vec<_>>(),
        ["docker-compose.yml"]
    );
}
