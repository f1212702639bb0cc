//! What a person can do with an environment that is there.

use super::output::{BOLD, FAINT, paint};
use crate::http::view::{EnvironmentView, Status};

/// How to log in, and where its services answer; nothing for an environment without a machine, and
/// for a warm machine, which is nobody's yet.
#[must_use]
pub fn of(shown: &EnvironmentView) -> String {
    let env = &shown.name;
    let Some(machine) = shown
        .machine
        .as_ref()
        .filter(|_| shown.status != Status::Warm)
    else {
        return String::new();
    };
    let address = machine.address.as_deref().unwrap_or("no address yet");
    let mut lines = vec![format!("{} {}", paint(BOLD, env), paint(FAINT, address))];
    for endpoint in &shown.endpoints {
        let service = &endpoint.service;
        let address = &endpoint.address;
        lines.push(format!("  {service:<16} http://{address}"));
    }
    lines.push(format!("  {:<16} metrom ssh {env}", "log in"));
    lines.push(format!("  {:<16} metrom describe {env}", "look at it"));
    lines.push(String::new());
    lines.join("\n")
}
