//! The network of a sandbox that bare machines are plugged into: one bridge, on which the sandbox has
//! the first address. It goes with the sandbox.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// What the machines have for a router; it leads nowhere.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 90, 0, 1);

/// Makes the bridge, once.
pub fn open() {
    static OPEN: OnceLock<()> = OnceLock::new();
    OPEN.get_or_init(|| {
        let first = std::fs::read_to_string("/proc/1/cmdline").unwrap();
        assert!(
            first.contains("scripts/namespaces"),
            "bare machines need a network of their own; run them by tests/bed/sandbox"
        );
        if ip(&["link", "show", "bare"]).is_ok() {
            return;
        }
        for step in [
            &["link", "add", "bare", "type", "bridge"][..],
            &["address", "add", &format!("{ROUTER}/24"), "dev", "bare"],
            &["link", "set", "bare", "up"],
        ] {
            ip(step).unwrap();
        }
    });
}

/// An address that no other machine of this process has had.
pub fn address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(11);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    assert!((11..250).contains(&number), "no more addresses");
    Ipv4Addr::new(10, 90, 0, number)
}

/// What `ip` says, or why it does not do it.
pub fn ip(args: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(args).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
