//! Ways to a bare machine: SSH as everybody has it, the program's own, and past both for a test that
//! wants to know what is really there.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::Arc;

use metrom::guest::{Guests, Layout};
use metrom::model::{EnvName, LiveId, OwnerName};
use metrom::port::GuestTarget;
use metrom::secrets::LocalSecrets;
use metrom::ssh::{Connections, Login};

use super::machine::BareMachine;
use super::yard;

/// Where programs are in a Debian.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl BareMachine {
    /// Runs a shell script as the user `admin` by the OpenSSH client; what it wrote, in order.
    ///
    /// # Errors
    /// What was written when it failed, or why it could not be run; a machine that does not answer
    /// is given up after 5 s.
    pub fn ssh(&self, script: &str) -> Result<String, String> {
        let known = self.file("known_hosts");
        let entry = format!("{} {}\n", self.address(), self.host_key());
        std::fs::write(&known, entry).unwrap();
        let mut client = Command::new("ssh");
        client.args(["-F", "none", "-i"]).arg(self.key_file());
        client.arg(format!("-oUserKnownHostsFile={}", known.display()));
        for option in [
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
            "LogLevel=ERROR",
            "ConnectTimeout=5",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=1",
        ] {
            client.arg(format!("-o{option}"));
        }
        client.arg(format!("admin@{}", self.address()));
        // One stream, as a person would see it.
        said(client.arg(format!("exec 2>&1\n{script}")).output())
    }

    /// The machine, for what the program does on machines.
    pub fn target(&self) -> GuestTarget {
        GuestTarget {
            owner: OwnerName::parse("acme").unwrap(),
            env: EnvName::parse("shop").unwrap(),
            machine: LiveId(self.name().to_owned()),
            address: self.address().into(),
            host_key: self.host_key().to_owned(),
            volumes: BTreeMap::new(),
            bastion: None,
        }
    }

    /// The program's own way to it, as `admin`.
    pub fn guests(&self) -> Guests {
        let login = Login {
            user: "admin".to_owned(),
            port: 22,
        };
        Guests::reached_by(self.connections(), login, Layout::default())
    }

    /// Connections of the program, which this machine lets in.
    pub fn connections(&self) -> Arc<Connections> {
        let secrets = Arc::new(LocalSecrets);
        Arc::new(Connections::new(self.identity().clone(), secrets))
    }

    /// A command that runs a program in the machine as root, whatever its network, its sshd and its
    /// accounts are like.
    pub fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let target = self.first().to_string();
        let namespaces = ["--mount", "--net", "--pid", "--uts", "--ipc"];
        command.args(["--target", &target]).args(namespaces);
        command.args(["--", "/usr/bin/env", "-i", PATH, "HOME=/root", program]);
        command
    }

    /// Runs a shell script in the machine as root; what it wrote to its standard output.
    pub fn root(&self, script: &str) -> String {
        yard::run(self.inside("sh").args(["-euc", script]))
    }

    /// As [`Self::root`], for what may fail.
    ///
    /// # Errors
    /// What was written when it failed.
    pub fn try_root(&self, script: &str) -> Result<String, String> {
        said(self.inside("sh").args(["-euc", script]).output())
    }

    /// Makes an account without `sudo`, and lets a key in to it.
    pub fn admit(&self, user: &str, public_key: &str) {
        let script = "id -- \"$1\" > /dev/null 2>&1 || useradd -m -s /bin/bash -p '*' -- \"$1\"\n\
                      install -d -m 700 -o \"$1\" -g \"$1\" \"/home/$1/.ssh\"\n\
                      echo \"$2\" >> \"/home/$1/.ssh/authorized_keys\"\n\
                      chown \"$1:\" \"/home/$1/.ssh/authorized_keys\"";
        yard::run(
            self.inside("sh")
                .args(["-euc", script, "-", user, public_key]),
        );
    }
}

fn said(output: std::io::Result<Output>) -> Result<String, String> {
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stdout) + &text(&output.stderr)),
    }
}
