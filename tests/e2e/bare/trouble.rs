//! What happens to machines: a cable is pulled, a disk is full, a clock is wrong, a file says what is
//! not so.

use std::io::Write as _;
use std::process::Stdio;

use super::machine::BareMachine;
use super::yard::ip;
use crate::story::bed::cache;

/// What is in the way on a full disk.
const FILLER: &str = "/var/filler";

impl BareMachine {
    /// Pulls its cable: nothing reaches it, and nothing of it reaches anybody. What runs goes on.
    pub fn cut(&self) {
        ip(&["link", "set", &self.cable(), "down"]).unwrap();
    }

    /// Plugs it in again.
    pub fn mend(&self) {
        ip(&["link", "set", &self.cable(), "up"]).unwrap();
    }

    /// Ends every SSH connection of `admin` at once; sshd goes on and lets new ones in.
    pub fn hang_up(&self) {
        self.root("pkill -KILL -f '^sshd(-session)?: admin' || :");
    }

    /// Fills its disk but for so many MiB.
    pub fn fill_disk(&self, left_mib: u64) {
        let free = self.root("df --output=avail -B 1M / | tail -n 1");
        let free: u64 = free.trim().parse().unwrap();
        let filler = free.checked_sub(left_mib).expect("so much is free");
        self.root(&format!("fallocate -l {filler}M {FILLER}"));
    }

    /// Gives back what [`Self::fill_disk`] took.
    pub fn free_disk(&self) {
        self.root(&format!("rm -f {FILLER}"));
    }

    /// Sets its clock apart from ours by so many seconds, for every program that is started by SSH from
    /// now on, also by way of `sudo`; 0 sets it right.
    ///
    /// The kernel's clock is one for all; a library in front of it is what these programs get. What
    /// makes its system calls without the C library sees the right time, and so do sshd and what it
    /// was told to start before.
    pub fn set_clock_apart(&self, seconds: i64) {
        const LIBRARY: &str = "/usr/local/lib/clock.so";
        let library = cache().join("bare").join(self.release()).join("clock.so");
        self.write(LIBRARY, &std::fs::read(library).unwrap());
        let environment = match seconds {
            0 => String::new(),
            _ => format!("LD_PRELOAD={LIBRARY}\nFAKETIME={seconds:+}\n"),
        };
        self.write("/etc/environment", environment.as_bytes());
        let keep = b"Defaults env_file=/etc/environment\n";
        self.write("/etc/sudoers.d/environment", keep);
    }

    /// Puts a text in front of a file that is there, `/proc/meminfo` for instance, until
    /// [`Self::uncover`]. It can be run where the file could.
    pub fn cover(&self, path: &str, text: &str) {
        let cover = format!("/run/covers{path}");
        let folder = cover.rsplit_once('/').expect("it begins with one").0;
        self.root(&format!("mkdir -p '{folder}'"));
        self.write(&cover, text.as_bytes());
        self.root(&format!(
            "chmod --reference='{path}' '{cover}'; mount --bind '{cover}' '{path}'"
        ));
    }

    /// Takes away what [`Self::cover`] put there.
    pub fn uncover(&self, path: &str) {
        self.root(&format!("umount '{path}'"));
    }

    /// Writes a file, as root, past everything.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let mut command = self.inside("tee");
        let mut child = command
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(bytes).unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success(), "{path} is not written");
    }
}
