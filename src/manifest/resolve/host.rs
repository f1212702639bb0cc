//! What is wrong with hosts beyond their shape.

use super::super::finding::Findings;
use super::super::load::{Declared, Tables};
use super::super::schema::HostSpec;
use super::super::yaml::Fault;
use crate::model::ProviderName;

/// Says what is wrong with hosts.
pub(super) fn look_at_hosts(tables: &Tables, findings: &mut Findings) {
    let mut before: Vec<(&ProviderName, &HostSpec)> = Vec::new();
    for (name, host) in &tables.hosts {
        let Some(spec) = &host.spec else { continue };
        if let Some((field, message, help)) = twice(spec, &before) {
            say(
                findings,
                host,
                &["spec", "ssh", field],
                "one-machine-twice",
                message,
                help,
            );
        }
        if spec.ssh.is_none() && spec.packages.is_some() {
            let message = "these package sources are not used".to_owned();
            let help = "only a machine that is reached by `ssh` is given software".to_owned();
            say(
                findings,
                host,
                &["spec", "packages"],
                "unused-packages",
                message,
                help,
            );
        }
        before.push((name, spec));
    }
}

/// Where it is the same machine as another one: two hands would work on it, each with a capacity of its
/// own in mind.
fn twice(
    spec: &HostSpec,
    before: &[(&ProviderName, &HostSpec)],
) -> Option<(&'static str, String, String)> {
    let ssh = spec.ssh.as_ref()?;
    let others = before.iter();
    let mut others = others.filter_map(|(name, other)| Some((name, other.ssh.as_ref()?)));
    others.find_map(|(name, other)| {
        let help = format!("keep one of the two files, or look at the machine behind `{name}`");
        let has_key = key(&other.host_key) == key(&ssh.host_key);
        // Machines behind bastions may have the same address in different networks.
        let is_there =
            (&other.address, other.port, &other.bastion) == (&ssh.address, ssh.port, &ssh.bastion);
        match (is_there, has_key) {
            (true, _) => Some((
                "address",
                format!("the host `{name}` is at this address"),
                help,
            )),
            (false, true) => Some(("hostKey", format!("the host `{name}` has this key"), help)),
            (false, false) => None,
        }
    })
}

/// A host key without the comment behind it.
fn key(line: &str) -> Vec<&str> {
    line.split_whitespace().take(2).collect()
}

fn say(
    findings: &mut Findings,
    host: &Declared<HostSpec>,
    at: &[&str],
    code: &'static str,
    message: String,
    help: String,
) {
    let fault = Fault {
        mark: host.node.nearest(at).mark,
        code,
        message,
        help: Some(help),
    };
    findings.error(&host.path, host.unit, fault);
}
