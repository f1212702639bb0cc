//! Input that no careful person writes: each is met with words, and nothing else is lost.

use metrom::manifest::{Catalog, Standing};
use metrom::model::Entry;

use super::support::{METROM, Repo, environment, lines, standing};

const GOOD: &str = "{template: web}";

/// Loads a repository with one sound environment beside what is bad; the sound one must stay good.
fn load_beside_good(repo: Repo) -> Catalog {
    let catalog = repo
        .with("environments/good.yaml", environment("good", GOOD))
        .load();
    assert_eq!(standing(&catalog, "good"), Standing::Good);
    catalog
}

/// The findings of such a repository, which must know that it does not know everything.
fn hidden_by(repo: Repo) -> Vec<String> {
    let catalog = load_beside_good(repo);
    assert!(
        !catalog.is_complete(),
        "an absent environment may just be unreadable"
    );
    lines(&catalog)
}

#[test]
fn an_empty_repository() {
    let catalog = Repo::empty().load();
    assert_eq!(
        lines(&catalog),
        [
            "metrom.yaml:1:1: the repository has no files; add `metrom.yaml` with `kind: Repository` and a `metadata.name`"
        ]
    );
    assert!(!catalog.is_complete());
    assert_eq!(catalog.owner(), None);
}

#[test]
fn no_settings() {
    let dev = environment("dev", "{compose: {file: a/compose.yaml}}");
    let catalog = Repo::empty()
        .with("README.md", "hello")
        .with("environments/dev.yaml", dev)
        .load();
    assert_eq!(
        lines(&catalog).last().unwrap(),
        "metrom.yaml:1:1: the repository has no `metrom.yaml`; add `metrom.yaml` with `kind: Repository` and a `metadata.name`"
    );
    assert!(!catalog.is_complete());
    assert_eq!(standing(&catalog, "dev"), Standing::Broken);
}

#[test]
fn settings_with_an_error_keep_their_name_and_stall_everything() {
    let settings = METROM.replace("spec: {}", "spec: {pol: 5s}");
    let catalog = Repo::small()
        .with("metrom.yaml", settings)
        .with("environments/dev.yaml", environment("dev", GOOD))
        .load();
    assert_eq!(
        lines(&catalog),
        ["metrom.yaml:4:8: there is no field `pol` here; did you mean `poll`?"]
    );
    assert_eq!(catalog.owner().unwrap().as_str(), "acme");
    assert_eq!(standing(&catalog, "dev"), Standing::Broken);
}

#[test]
fn two_settings() {
    let catalog = Repo::small()
        .with("other/metrom.yaml", METROM.replace("acme", "emca"))
        .with("environments/dev.yaml", environment("dev", GOOD))
        .load();
    assert_eq!(
        lines(&catalog)[0],
        "metrom.yaml:3:18: there is more than one `Repository`: metrom.yaml:3:18, other/metrom.yaml:3:18; keep one of them"
    );
    assert_eq!(catalog.owner(), None);
    assert_eq!(standing(&catalog, "dev"), Standing::Broken);
}

#[test]
fn a_file_that_is_half_written() {
    let cut = |text: &str| hidden_by(Repo::small().with("environments/cut.yaml", text));
    assert_eq!(
        cut("apiVers"),
        [
            "environments/cut.yaml:1:1: this is a text, not a document; begin it with `apiVersion: metrom.dev/v1`"
        ]
    );
    assert_eq!(
        cut("apiVersion: metr\n"),
        [
            "environments/cut.yaml:1:13: `apiVersion` is `metr`, which this Metrom does not read; write `metrom.dev/v1`"
        ]
    );
    assert_eq!(
        cut("apiVersion: metrom.dev/v1\nkind: Environment\nmeta"),
        [
            "environments/cut.yaml:4:1: this is not YAML: could not find expected ':' while scanning a simple key; look at the indentation, the quotes and the brackets here and in the line above"
        ]
    );
    assert_eq!(
        cut("apiVersion: metrom.dev/v1\nkind: Environment\nmetadata: {name: cu"),
        [
            "environments/cut.yaml:4:1: this is not YAML: did not find expected ',' or '}' while parsing a flow mapping; look at the indentation, the quotes and the brackets here and in the line above"
        ]
    );
    assert_eq!(
        cut(""),
        [
            "environments/cut.yaml:1:1: this file is empty; write a document, or delete the file when nothing should be declared"
        ]
    );
}

#[test]
fn a_document_cut_off_after_its_name_is_known_and_broken() {
    let catalog = load_beside_good(Repo::small().with(
        "environments/cut.yaml",
        "apiVersion: metrom.dev/v1\nkind: Environment\nmetadata:\n  name: cut\nspec:\n",
    ));
    assert_eq!(
        lines(&catalog),
        ["environments/cut.yaml:5:6: `spec` has no value; write one, or remove the line"]
    );
    assert!(catalog.is_complete());
    assert_eq!(standing(&catalog, "cut"), Standing::Broken);
}

#[test]
fn a_fault_does_not_take_the_documents_before_it() {
    let text = environment("first", GOOD) + "---\n" + &environment("second", "{template: [}");
    let catalog = load_beside_good(Repo::small().with("environments/two.yaml", text));
    assert_eq!(standing(&catalog, "first"), Standing::Good);
    assert!(!catalog.is_complete());
}

#[test]
fn a_file_that_is_not_utf8() {
    assert_eq!(
        hidden_by(Repo::small().with("environments/latin.yaml", b"# ok\nname: f\xfcr\n")),
        [
            "environments/latin.yaml:2:8: from here on this is not UTF-8 text; save the file as UTF-8"
        ]
    );
}

#[test]
fn a_control_character_is_found_where_it_stands() {
    assert_eq!(
        hidden_by(Repo::small().with("environments/nul.yaml", "# ok\nname: a\0b\n")),
        [
            "environments/nul.yaml:2:8: this is not YAML: control characters are not allowed; look at the indentation, the quotes and the brackets here and in the line above"
        ]
    );
}

#[test]
fn html_instead_of_yaml() {
    assert_eq!(
        hidden_by(Repo::small().with(
            "environments/page.yaml",
            "<!DOCTYPE html>\n<html><body>Not found</body></html>\n"
        )),
        [
            "environments/page.yaml:1:1: this is HTML, not YAML; it was probably saved from a web page; take the file itself (\"raw\")"
        ]
    );
}

#[test]
fn a_million_aliases() {
    let head = environment("many", GOOD);
    let text = format!("{head}x: [&a y, {}*a]\n", "*a,".repeat(1_000_000));
    assert_eq!(
        hidden_by(Repo::small().with("environments/many.yaml", text)),
        [
            "environments/many.yaml:5:299963: this document unfolds to more than 100000 values, its aliases included; split it, or use fewer aliases of aliases"
        ]
    );
}

#[test]
fn aliases_of_aliases_of_aliases() {
    let mut text =
        environment("laughs", GOOD) + "x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol]\n";
    for level in 1..30 {
        let below = vec![format!("*x{}", level - 1); 8].join(", ");
        text += &format!("x{level}: &x{level} [{below}]\n");
    }
    let found = hidden_by(Repo::small().with("environments/laughs.yaml", text));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("unfolds to more than 100000 values"),
        "{found:?}"
    );
}

#[test]
fn a_word_where_fields_are_wanted() {
    let catalog = load_beside_good(Repo::small().with(
        "environments/dev.yaml",
        environment("dev", "{template: web, update: phoenix}"),
    ));
    assert_eq!(
        lines(&catalog),
        ["environments/dev.yaml:4:31: `spec.update` must be a map, not a text"]
    );
    assert_eq!(standing(&catalog, "dev"), Standing::Broken);
}

#[test]
fn values_deep_in_one_another() {
    let text = format!(
        "{}x: {}{}\n",
        environment("deep", GOOD),
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(
        hidden_by(Repo::small().with("environments/deep.yaml", text)),
        [
            "environments/deep.yaml:5:68: values lie more than 64 deep in one another; nothing that Metrom or Compose reads is that deep"
        ]
    );
}

#[test]
fn a_file_of_a_hundred_megabytes() {
    let entry = Entry::TooLarge { bytes: 104_857_600 };
    assert_eq!(
        hidden_by(Repo::small().with_entry("environments/big.yaml", entry)),
        [
            "environments/big.yaml:1:1: this file is too large to be read: 104857600 bytes; keep data out of the repository, and documents small"
        ]
    );
}

#[test]
fn a_symlink_out_of_the_repository() {
    let link = |target: &str| Entry::Symlink {
        target: target.to_owned(),
    };
    let repo = Repo::small()
        .with_entry("environments/passwd.yaml", link("../../../etc/passwd"))
        .with_entry("hosts/more", link("/etc"));
    assert_eq!(
        hidden_by(repo),
        [
            "environments/passwd.yaml:1:1: this is a symbolic link to `../../../etc/passwd`, which is not followed; put the file itself here",
            "hosts/more:1:1: this is a symbolic link to `/etc`, which is not followed; put the file itself here",
        ]
    );
}

#[test]
fn a_submodule_among_the_environments() {
    assert_eq!(
        hidden_by(Repo::small().with_entry("environments/team", Entry::Submodule)),
        [
            "environments/team:1:1: this is a submodule, which is not followed; put the files themselves here"
        ]
    );
}

#[test]
fn a_link_in_a_template_stalls_what_is_made_from_it_and_hides_nothing() {
    let entry = Entry::Symlink {
        target: "/etc/shadow".to_owned(),
    };
    let catalog = Repo::small()
        .with_entry("templates/web/nginx.conf", entry)
        .with("projects/p/compose.yaml", "services: {a: {image: b}}")
        .with("environments/web.yaml", environment("web", GOOD))
        .with(
            "environments/own.yaml",
            environment("own", "{compose: {file: projects/p/compose.yaml}}"),
        )
        .load();
    assert_eq!(
        lines(&catalog),
        [
            "templates/web/nginx.conf:1:1: this is a symbolic link to `/etc/shadow`, which is not followed; put the file itself here"
        ]
    );
    assert!(catalog.is_complete());
    assert_eq!(standing(&catalog, "web"), Standing::Broken);
    assert_eq!(standing(&catalog, "own"), Standing::Good);
}

#[test]
fn two_environments_of_one_name() {
    let catalog = load_beside_good(
        Repo::small()
            .with("environments/a.yaml", environment("twin", GOOD))
            .with(
                "environments/b.yaml",
                format!("# second\n{}", environment("twin", GOOD)),
            ),
    );
    assert_eq!(
        lines(&catalog),
        [
            "environments/a.yaml:3:18: another environment is called `twin` as well, at environments/b.yaml:4:18; rename or remove one of them",
            "environments/b.yaml:4:18: another environment is called `twin` as well, at environments/a.yaml:3:18; rename or remove one of them",
        ]
    );
    assert_eq!(standing(&catalog, "twin"), Standing::Broken);
}

#[test]
fn a_secret_in_plain_is_never_shown_not_even_by_another_finding_on_its_line() {
    let settings = METROM.replace(
        "spec: {}",
        "spec: {registries: {logins: [{server: r, username: u, password: hunter2, realm: x}]}}",
    );
    let catalog = Repo::small()
        .with("metrom.yaml", settings)
        .with("environments/dev.yaml", environment("dev", "{template: web, sources: [{name: a, url: 'https://me:hunter2@x/a.git'}], access: {authorizedKeys: ['-----BEGIN OPENSSH PRIVATE KEY----- hunter2']}}"))
        .load();
    let all = format!("{:?}", catalog.diagnostics);
    assert!(!all.contains("hunter2"), "{all}");
    assert_eq!(
        lines(&catalog),
        [
            "environments/dev.yaml:4:48: the URL holds a password; remove it, and change it, since it is in the history now",
            "environments/dev.yaml:4:106: this is a private key; write the public one, and make a new pair: this one is in the history now",
            "metrom.yaml:4:65: `spec.registries.logins[0].password` is a secret and must not be written here; say where it is found: `{fromEnv: NAME}` or `{fromFile: PATH}`; and change it, since it is in the history now",
            "metrom.yaml:4:74: there is no field `realm` here; there are `password`, `server`, `username`",
        ]
    );
}

#[test]
fn what_counts_as_idle_is_held_against_what_can_be_known() {
    let found = |idle: &str| {
        let spec = format!("spec: {{policies: {{idle: {{{idle}}}}}}}");
        let settings = METROM.replace("spec: {}", &spec);
        lines(&Repo::small().with("metrom.yaml", settings).load())
    };
    assert_eq!(found("cpu: 5%, network: 1MiB/s, for: 12h"), [""; 0]);
    for (idle, at, said) in [
        ("cpu: 3", 31, "3"),
        (
            "cpu: 101%",
            31,
            "`101%` is not a share; write a whole number up to 100 and %",
        ),
        (
            "network: 10KiB",
            35,
            "`10KiB` is not a speed; write a whole number and B/s",
        ),
        (
            "for: 60d",
            31,
            "kept for 31 days, which `60d` is too long for; write `30d` or less",
        ),
        (
            "for: 10m",
            31,
            "`10m` is too short to call anything idle; write `1h` or more",
        ),
        ("disk: 1MiB/s", 26, "there is no field `disk` here"),
    ] {
        let lines = found(idle);
        let place = format!("metrom.yaml:4:{at}: ");
        assert!(
            lines[0].starts_with(&place) && lines[0].contains(said),
            "{idle}: {lines:?}"
        );
    }
}
