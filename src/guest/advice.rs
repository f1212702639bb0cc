//! What to do about the failures that people meet most.
//!
//! For words only: nothing is decided by what a program says.

/// Signs in an output and the next move; the first that fits is given.
const ADVICE: [(&[&str], &str); 5] = [
    (
        &["no space left on device", "disk quota exceeded"],
        "the machine's disk is full: raise `machine.disk` or `machine.data` in the declaration, or run `docker system prune` on it",
    ),
    (
        &[
            "manifest unknown",
            "manifest for",
            "pull access denied",
            "repository does not exist",
        ],
        "the image cannot be pulled: check its name and tag, and `registries` (mirrors, logins) in `metrom.yaml`",
    ),
    (
        &["server gave http response to https client"],
        "the registry speaks plain HTTP: add it to `registries.insecure` in `metrom.yaml`",
    ),
    (
        &[
            "unauthorized:",
            "authentication required",
            "no basic auth credentials",
        ],
        "the registry wants a login: declare it under `registries.logins` in `metrom.yaml`",
    ),
    (
        &[
            "failed to resolve reference",
            "dial tcp",
            "i/o timeout",
            "no such host",
            "tls handshake timeout",
            "could not resolve host",
        ],
        "the machine cannot reach a server: check its network, and `registries.mirrors` in `metrom.yaml`",
    ),
];

/// The next move for an output, when it is a failure that we know.
pub(crate) fn on(output: &str) -> Option<&'static str> {
    let output = output.to_lowercase();
    let known = ADVICE
        .iter()
        .find(|(signs, _)| signs.iter().any(|sign| output.contains(sign)));
    known.map(|(_, advice)| *advice)
}

/// The output with the next move behind it.
pub(crate) fn with(output: &str) -> String {
    match on(output) {
        Some(advice) => format!("{output}\n{advice}"),
        None => output.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_failures_have_a_next_move() {
        let full = "write /x: no space left on device";
        assert!(with(full).starts_with(full));
        assert!(on(full).unwrap().contains("machine.disk"));
        let unknown = "manifest for redis:9999 not found: manifest unknown";
        assert!(on(unknown).unwrap().contains("name and tag"));
        assert_eq!(on("exit code 1"), None);
    }
}
