//! The emulator of EC2: one for all tests of this process, each of which has an account of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::proxy::wire::Moto;

/// Ends with this process, since that is when its standard input ends.
struct Emulator {
    address: SocketAddr,
    _server: Child,
}

static EMULATOR: OnceLock<Result<Emulator, String>> = OnceLock::new();

static ACCOUNTS: AtomicU64 = AtomicU64::new(100_000_000_001);

pub const REGION: &str = "eu-central-1";

/// An account that nobody has used yet.
pub fn account() -> Moto {
    let emulator = EMULATOR.get_or_init(start);
    let emulator = emulator.as_ref().unwrap_or_else(|said| {
        panic!(
            "these tests need the emulator of EC2; run scripts/emulator install. It said: {said}"
        )
    });
    let account = ACCOUNTS.fetch_add(1, Ordering::SeqCst).to_string();
    Moto::new(emulator.address, account, REGION)
}

fn start() -> Result<Emulator, String> {
    let mut server = Command::new("scripts/emulator")
        .args(["serve", "tests/e2e/aws/images.json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let mut line = String::new();
    let mut output = BufReader::new(server.stdout.take().expect("it is piped"));
    output.read_line(&mut line).map_err(|e| e.to_string())?;
    let Ok(address) = line.trim().parse() else {
        let mut said = String::new();
        let mut errors = server.stderr.take().expect("it is piped");
        errors
            .read_to_string(&mut said)
            .map_err(|e| e.to_string())?;
        return Err(said.trim().to_owned());
    };
    Ok(Emulator {
        address,
        _server: server,
    })
}
