//! Whether machines run on KVM or are emulated.
//!
//! `/dev/kvm` and libvirt's capabilities prove nothing: there are hosts whose KVM is offered and
//! aborts, or crawls. So when the host offers it and nobody has said what to use, something small
//! is started under a deadline, and KVM is used only if that came to its end by itself. The answer
//! is remembered.

use std::time::{Duration, Instant};

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::{Domain, DomainShutoffReason, DomainState, DomainStateReason};
use virt::enumutil::Enum;
use virt::sys;

use super::domain::{features, machine_type, mebibytes};
use super::fault::Fault;
use super::xml::Node;

/// What the declaration of the host says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// Find out.
    Auto,
    Kvm,
    Emulation,
}

/// What a machine runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    Kvm,
    Emulation,
}

impl Accel {
    #[must_use]
    pub fn domain_type(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Emulation => "qemu",
        }
    }

    /// With KVM the host's own processor; emulated the oldest that current distributions still
    /// build for (x86-64-v2), since newer instructions are slow to emulate. Not one of Intel's:
    /// guests protect those from Meltdown, and empty the emulator's address cache at every system
    /// call to do so.
    #[must_use]
    pub fn cpu(self) -> Node {
        match self {
            Self::Kvm => Node::new("cpu").with("mode", "host-passthrough"),
            Self::Emulation => {
                let model = Node::new("model").with("fallback", "forbid");
                let require = |name: &&str| {
                    let feature = Node::new("feature").with("policy", "require");
                    feature.with("name", *name)
                };
                let cpu = Node::new("cpu").with("mode", "custom");
                cpu.with("match", "exact")
                    .with("check", "none")
                    .child(model.text("qemu64"))
                    .children(ADDED.iter().map(require))
            }
        }
    }

    /// What a kernel is told beside its image's own command line. An emulated processor does not
    /// speculate, so there is nothing to protect; and its time stamp counter is the host's, while
    /// every look at the other clocks leaves the emulation.
    #[must_use]
    pub fn cmdline(self) -> &'static str {
        match self {
            Self::Kvm => "",
            Self::Emulation => " mitigations=off tsc=reliable",
        }
    }
}

/// What an emulated processor has beyond QEMU's basic one: x86-64-v2, and one instruction for what
/// Docker does most while it pulls, digests. An older QEMU leaves that out and says so in its log.
const ADDED: [&str; 6] = ["lahf_lm", "popcnt", "ssse3", "sse4.1", "sse4.2", "sha-ni"];

/// What was started to find out. A kernel proves more than firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// The kernel at this path, without a root file system: it panics and reboots.
    Kernel(String),
    /// The firmware alone, with nothing to boot: it reboots.
    Firmware,
}

/// What is known of KVM on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Knowledge {
    Works(Proof),
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Kernel,
    Firmware,
}

impl Knowledge {
    /// The text of a fact; `None` when it says nothing that we understand.
    #[must_use]
    pub fn parse(fact: &str) -> Option<Self> {
        match fact {
            "works: kernel" => Some(Self::Works(Proof::Kernel)),
            "works: firmware" => Some(Self::Works(Proof::Firmware)),
            "broken" => Some(Self::Broken),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_fact(&self) -> &'static str {
        match self {
            Self::Works(Proof::Kernel) => "works: kernel",
            Self::Works(Proof::Firmware) => "works: firmware",
            Self::Broken => "broken",
        }
    }

    #[must_use]
    pub fn accel(&self) -> Accel {
        match self {
            Self::Works(_) => Accel::Kvm,
            Self::Broken => Accel::Emulation,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Use(Accel),
    Try(Trial),
}

/// What to do, given what is declared, what the host offers, what is remembered, and the kernel
/// that could be tried.
#[must_use]
pub fn decide(
    declared: Accelerator,
    is_offered: bool,
    known: Option<&Knowledge>,
    kernel: Option<String>,
) -> Decision {
    match declared {
        Accelerator::Kvm => return Decision::Use(Accel::Kvm),
        Accelerator::Emulation => return Decision::Use(Accel::Emulation),
        Accelerator::Auto => {}
    }
    if !is_offered {
        return Decision::Use(Accel::Emulation);
    }
    match (known, kernel) {
        (None | Some(Knowledge::Works(Proof::Firmware)), Some(kernel)) => {
            Decision::Try(Trial::Kernel(kernel))
        }
        (None, None) => Decision::Try(Trial::Firmware),
        (Some(known), _) => Decision::Use(known.accel()),
    }
}

/// What became of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Ended,
    /// Why it counts as broken, for people.
    Failed(String),
}

impl Verdict {
    #[must_use]
    pub fn knowledge(&self, trial: &Trial) -> Knowledge {
        match (self, trial) {
            (Self::Failed(_), _) => Knowledge::Broken,
            (Self::Ended, Trial::Kernel(_)) => Knowledge::Works(Proof::Kernel),
            (Self::Ended, Trial::Firmware) => Knowledge::Works(Proof::Firmware),
        }
    }
}

/// Whether the host's capabilities offer KVM at all.
pub fn is_offered(conn: &Connect) -> Result<bool, Fault> {
    let capabilities = Node::parse(&conn.capabilities()?)?;
    let offers = |arch: &Node| {
        arch.all("domain")
            .any(|d| d.attribute("type") == Some("kvm"))
    };
    let is_offered = capabilities.all("guest").any(|guest| {
        guest
            .all("arch")
            .any(|arch| arch.attribute("name") == Some("x86_64") && offers(arch))
    });
    Ok(is_offered)
}

/// On working KVM the trial takes about a second; this leaves room for a busy host. It takes
/// minutes where KVM is a sham.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How often to look whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Trials that died with their process are older than this and may be removed.
const REMAINS_AFTER_S: i64 = 600;

const PREFIX: &str = "metrom.kvm-trial.";

/// Runs a trial under the deadline, and leaves nothing behind.
///
/// # Errors
/// [`Fault`] when the host cannot be asked; a trial that fails is a verdict, not an error.
pub fn run(
    conn: &Connect,
    trial: &Trial,
    accel: Accel,
    deadline: Duration,
) -> Result<Verdict, Fault> {
    let now = jiff::Timestamp::now().as_second();
    remove_remains(conn, now)?;
    let name = format!("{PREFIX}{now}.{}", Uuid::new_v4().simple());
    let domain = match conn.define_domain_xml(&definition(&name, trial, accel).to_string()) {
        Ok(domain) => domain,
        Err(error) => return Ok(Verdict::Failed(error.message().to_owned())),
    };
    let verdict = watch(&domain, deadline);
    // It has ended, or is stopped here; a host that fails in between cleans up by auto-destroy.
    let _ = domain.destroy();
    domain.undefine()?;
    verdict
}

/// Whether a domain is a trial, running or left over.
#[must_use]
pub fn is_trial(name: &str) -> bool {
    name.starts_with(PREFIX)
}

fn watch(domain: &Domain, deadline: Duration) -> Result<Verdict, Fault> {
    if let Err(error) = domain.create_with_flags(sys::VIR_DOMAIN_START_AUTODESTROY) {
        return Ok(Verdict::Failed(error.message().to_owned()));
    }
    let started = Instant::now();
    while started.elapsed() < deadline {
        let (state, reason) = domain.state()?;
        if state.is(DomainState::Shutoff) {
            return Ok(verdict(reason));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let seconds = deadline.as_secs();
    Ok(Verdict::Failed(format!(
        "it had not ended after {seconds} s"
    )))
}

fn verdict(reason: Enum<DomainStateReason, i32>) -> Verdict {
    let ended = [
        DomainShutoffReason::Shutdown,
        DomainShutoffReason::Destroyed,
    ];
    match reason {
        Enum::Known(DomainStateReason::Shutoff(reason)) if ended.iter().any(|e| reason.is(*e)) => {
            Verdict::Ended
        }
        Enum::Known(reason) => Verdict::Failed(format!("it ended as `{reason}`")),
        Enum::Unknown(reason) => Verdict::Failed(format!("it ended for reason {reason}")),
    }
}

fn remove_remains(conn: &Connect, now: i64) -> Result<(), Fault> {
    for domain in conn.list_all_domains(sys::VIR_CONNECT_LIST_DOMAINS_INACTIVE)? {
        let name = domain.name()?;
        let begun = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('.').next());
        let begun = begun.and_then(|seconds| seconds.parse::<i64>().ok());
        if begun.is_some_and(|begun| now - begun > REMAINS_AFTER_S) {
            domain.undefine()?;
        }
    }
    Ok(())
}

fn definition(name: &str, trial: &Trial, accel: Accel) -> Node {
    let os = Node::new("os").child(machine_type());
    let os = match trial {
        Trial::Kernel(path) => os
            .child(Node::new("kernel").text(path))
            .child(Node::new("cmdline").text("panic=-1 quiet")),
        Trial::Firmware => os.child(Node::new("bios").with("rebootTimeout", 0)),
    };
    Node::new("domain")
        .with("type", accel.domain_type())
        .child(Node::new("name").text(name))
        .child(mebibytes("memory", 256))
        .child(Node::new("vcpu").text(1))
        .child(os)
        .child(features(accel))
        .child(accel.cpu())
        .child(Node::new("on_reboot").text("destroy"))
        .child(Node::new("on_crash").text("destroy"))
        .child(Node::new("devices").child(Node::new("memballoon").with("model", "none")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel() -> Option<String> {
        Some("/p/k".to_owned())
    }

    #[test]
    fn what_is_declared_overrides_everything() {
        let broken = Some(&Knowledge::Broken);
        assert_eq!(
            decide(Accelerator::Kvm, false, broken, None),
            Decision::Use(Accel::Kvm)
        );
        let works = Some(&Knowledge::Works(Proof::Kernel));
        assert_eq!(
            decide(Accelerator::Emulation, true, works, None),
            Decision::Use(Accel::Emulation)
        );
    }

    #[test]
    fn what_is_not_offered_is_not_tried_whatever_is_remembered() {
        let works = Some(&Knowledge::Works(Proof::Kernel));
        assert_eq!(
            decide(Accelerator::Auto, false, works, kernel()),
            Decision::Use(Accel::Emulation)
        );
    }

    #[test]
    fn an_offer_alone_is_tried_and_the_answer_is_remembered() {
        let Decision::Try(trial) = decide(Accelerator::Auto, true, None, kernel()) else {
            panic!("it must be tried");
        };
        assert_eq!(trial, Trial::Kernel("/p/k".into()));
        for (verdict, accel) in [
            (Verdict::Ended, Accel::Kvm),
            (Verdict::Failed("slow".into()), Accel::Emulation),
        ] {
            let fact = verdict.knowledge(&trial).as_fact();
            let known = Knowledge::parse(fact);
            assert_eq!(
                decide(Accelerator::Auto, true, known.as_ref(), kernel()),
                Decision::Use(accel)
            );
        }
    }

    #[test]
    fn firmware_is_enough_until_a_kernel_can_be_tried() {
        assert_eq!(
            decide(Accelerator::Auto, true, None, None),
            Decision::Try(Trial::Firmware)
        );
        let known = Verdict::Ended.knowledge(&Trial::Firmware);
        assert_eq!(
            decide(Accelerator::Auto, true, Some(&known), None),
            Decision::Use(Accel::Kvm)
        );
        assert!(matches!(
            decide(Accelerator::Auto, true, Some(&known), kernel()),
            Decision::Try(Trial::Kernel(_))
        ));
    }

    #[test]
    fn a_fact_that_nobody_understands_is_found_out_again() {
        assert_eq!(Knowledge::parse("perhaps"), None);
    }
}
