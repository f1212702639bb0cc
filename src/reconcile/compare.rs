//! What differs between a declaration and a live object, field by field, and how deep it cuts.
//!
//! Every comparison destructures both sides without `..`: a new field does not compile until
//! somebody has said here what its change means.

use std::collections::BTreeSet;

use crate::model::text::mib;
use crate::model::{
    CheckoutSpec, Digest, Effect, FieldChange, LiveCheckout, LiveId, LiveMachine, LiveService,
    LiveStack, LiveVolume, MachineSpec, Power, Revision, VolumeSpec,
};

/// The field of a machine that office hours and people's wishes are about.
pub const POWER: &str = "power";

/// The field of a machine that a provider keeps from being ended.
pub const PROTECTION: &str = "protection";

fn change(field: &'static str, from: String, to: String, effect: Effect) -> FieldChange {
    FieldChange {
        field,
        from,
        to,
        effect,
    }
}

/// `attached`: the live volumes that the machine should have.
/// `digests`: of the declaration that the machine was made from, if it says so, and of this one.
#[must_use]
pub fn machine(
    spec: &MachineSpec,
    live: &LiveMachine,
    digests: Option<(&Digest, &Digest)>,
    attached: &BTreeSet<LiveId>,
) -> Vec<FieldChange> {
    let MachineSpec {
        provider: _, // a machine elsewhere is another object, not another field
        image,
        cpus,
        memory_mib,
        disk_mib,
        volumes,
        is_protected,
        market: _, // counts when a machine is made
    } = spec;
    let LiveMachine {
        power,
        cpus: live_cpus,
        memory_mib: live_memory,
        image: live_image,
        volumes: live_volumes,
        address: _,     // given by the network
        host_key: _,    // made with the machine
        devices: _,     // of the volumes, which are compared
        ready: _,       // of a warm machine alone
        is_finished: _, // what is not is made on
        is_protected: live_protected,
        is_spot,
        bastion: _, // of the network
    } = live;
    let mut fields = Vec::new();
    if *power != Power::Running {
        let to = Power::Running.to_string();
        fields.push(change(POWER, power.to_string(), to, Effect::InPlace));
    }
    let resized = match is_spot {
        true => Effect::Replace,
        false => Effect::Restart,
    };
    if live_cpus != cpus {
        let (from, to) = (live_cpus.to_string(), cpus.to_string());
        fields.push(change("cpus", from, to, resized));
    }
    if live_memory != memory_mib {
        let (from, to) = (mib(*live_memory), mib(*memory_mib));
        fields.push(change("memory", from, to, resized));
    }
    if let Some(live) = live_protected.filter(|live| live != is_protected) {
        let (from, to) = (on_or_off(live), on_or_off(*is_protected));
        fields.push(change(PROTECTION, from, to, Effect::InPlace));
    }
    let image_id = image.id();
    if live_image.as_ref().is_some_and(|live| *live != image_id) {
        let from = live_image.clone().unwrap_or_default();
        fields.push(change("image", from, image_id, Effect::Replace));
    }
    if live_volumes != attached {
        let from = format!("{} attached", live_volumes.len());
        let to = format!("{} declared", volumes.len());
        fields.push(change("volumes", from, to, Effect::Replace));
    }
    let is_replaced = fields.iter().any(|f| f.effect == Effect::Replace);
    if !is_replaced && digests.is_some_and(needs_new_machine) {
        // Image and volumes are as declared, so only the disk is left; its live size is the
        // guest's affair and is not asked for.
        let to = mib(*disk_mib);
        fields.push(change("disk", "another size".into(), to, Effect::Replace));
    }
    fields
}

fn on_or_off(is_on: bool) -> String {
    if is_on { "on" } else { "off" }.to_owned()
}

fn needs_new_machine((stamped, wanted): (&Digest, &Digest)) -> bool {
    stamped.halves().0 != wanted.halves().0
}

/// A smaller size is a change as well; that it cannot be done is for the gate to say.
#[must_use]
pub fn volume(spec: &VolumeSpec, live: &LiveVolume) -> Vec<FieldChange> {
    let VolumeSpec {
        provider: _, // a volume elsewhere is another object, not another field
        size_mib,
    } = spec;
    let LiveVolume {
        size_mib: live_size,
    } = live;
    if live_size == size_mib {
        return Vec::new();
    }
    let (from, to) = (mib(*live_size), mib(*size_mib));
    vec![change("size", from, to, Effect::InPlace)]
}

#[must_use]
pub fn checkout(spec: &CheckoutSpec, live: &LiveCheckout) -> Vec<FieldChange> {
    let CheckoutSpec {
        url: _,       // covered by the digest
        reference: _, // a name for `revision`
        revision,
    } = spec;
    let LiveCheckout {
        revision: live_revision,
        local_work: _, // says what may be done, not what differs
    } = live;
    if live_revision == revision {
        return Vec::new();
    }
    let short = |r: &Option<Revision>| r.as_ref().map_or("nothing", Revision::short).to_owned();
    let (from, to) = (short(live_revision), short(revision));
    vec![change("revision", from, to, Effect::InPlace)]
}

/// What a stack has lost since it was applied. Unhealthy is not different: applying again would
/// not change it.
#[must_use]
pub fn stack(live: &LiveStack) -> Vec<FieldChange> {
    let LiveStack {
        services,
        missing,
        changed_files,
    } = live;
    let gone = missing.iter().map(|name| service(name, "gone"));
    let altered = services.iter().filter_map(|service_live| {
        let LiveService {
            name,
            container: _,
            image,
            image_digest,
            resolved,
            state,
            exit_code: _,
            health: _,
            restarts: _,
            ports: _,
            altered,
        } = service_live;
        // A container that restarts is in Docker's hands; `up` would not help it.
        let is_down = !service_live.is_up() && state != "restarting";
        let other_image = resolved.as_ref().filter(|id| *id != image_digest);
        match (altered, other_image, is_down) {
            (true, _, _) => Some(service(name, "altered")),
            (false, Some(id), _) => {
                let from = format!("{name} from {}", short(image_digest));
                let to = format!("{}, as {image} was resolved", short(id));
                Some(change("service", from, to, Effect::InPlace))
            }
            (false, None, true) => Some(service(name, state)),
            (false, None, false) => None,
        }
    });
    let files = changed_files.iter().map(|path| {
        change(
            "file",
            format!("{path} altered"),
            "as written".into(),
            Effect::InPlace,
        )
    });
    gone.chain(altered).chain(files).collect()
}

/// Services of two machines that were made from different images under one name: the name was
/// resolved anew for the second.
#[must_use]
pub fn images(old: &LiveStack, new: &LiveStack) -> Vec<FieldChange> {
    let differing = new.services.iter().filter_map(|service| {
        let mut same = old.services.iter().filter(|was| was.name == service.name);
        let was = same.find(|was| was.image_digest != service.image_digest)?;
        let from = format!("{} {}", was.name, short(&was.image_digest));
        let to = short(&service.image_digest).to_owned();
        Some(change("image", from, to, Effect::InPlace))
    });
    differing.collect()
}

/// As Docker shows the id of an image.
fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

fn service(name: &str, state: &str) -> FieldChange {
    change(
        "service",
        format!("{name} {state}"),
        "running".into(),
        Effect::InPlace,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{
        Boot, BuildRecipe, Health, ImageName, ImageOrigin, ImageSpec, Market, ProviderName, Spec,
    };

    fn spec() -> MachineSpec {
        MachineSpec {
            provider: ProviderName::parse("lab").unwrap(),
            image: ImageSpec {
                name: ImageName::parse("debian-13").unwrap(),
                origin: ImageOrigin::Build(BuildRecipe {
                    suite: "trixie".into(),
                    packages: BTreeSet::new(),
                    size_mib: 3072,
                    trim: true,
                    containers: BTreeSet::new(),
                }),
                boot: Boot::Kernel,
            },
            cpus: 2,
            memory_mib: 1024,
            disk_mib: 8192,
            volumes: BTreeSet::new(),
            is_protected: false,
            market: Market::OnDemand,
        }
    }

    fn live(spec: &MachineSpec) -> LiveMachine {
        LiveMachine {
            power: Power::Running,
            cpus: spec.cpus,
            memory_mib: spec.memory_mib,
            image: Some(spec.image.id()),
            volumes: BTreeSet::new(),
            address: None,
            host_key: None,
            devices: BTreeMap::new(),
            ready: None,
            is_finished: true,
            is_protected: None,
            is_spot: false,
            bastion: None,
        }
    }

    fn deepest(was: &MachineSpec, now: &MachineSpec, live: &LiveMachine) -> Option<Effect> {
        let [stamped, wanted] = [was, now].map(|spec| Spec::Machine(spec.clone()).digest());
        let fields = machine(now, live, Some((&stamped, &wanted)), &BTreeSet::new());
        fields.iter().map(|f| f.effect).max()
    }

    #[test]
    fn a_machine_as_declared_has_no_difference() {
        assert_eq!(deepest(&spec(), &spec(), &live(&spec())), None);
    }

    #[test]
    fn more_memory_needs_a_restart_and_no_new_machine() {
        let now = MachineSpec {
            memory_mib: 2048,
            ..spec()
        };
        assert_eq!(
            deepest(&spec(), &now, &live(&spec())),
            Some(Effect::Restart)
        );
    }

    #[test]
    fn more_memory_while_the_cpus_have_drifted_is_still_a_restart() {
        let now = MachineSpec {
            memory_mib: 2048,
            ..spec()
        };
        let drifted = LiveMachine {
            cpus: 7,
            ..live(&spec())
        };
        assert_eq!(deepest(&spec(), &now, &drifted), Some(Effect::Restart));
    }

    #[test]
    fn another_disk_needs_a_new_machine() {
        let now = MachineSpec {
            disk_mib: 9000,
            ..spec()
        };
        assert_eq!(
            deepest(&spec(), &now, &live(&spec())),
            Some(Effect::Replace)
        );
    }

    #[test]
    fn protection_is_put_on_and_taken_off_while_it_runs_and_only_where_there_is_any() {
        let now = MachineSpec {
            is_protected: true,
            ..spec()
        };
        assert_eq!(deepest(&spec(), &now, &live(&spec())), None);
        let bare = LiveMachine {
            is_protected: Some(false),
            ..live(&spec())
        };
        assert_eq!(deepest(&spec(), &now, &bare), Some(Effect::InPlace));
        let kept = LiveMachine {
            is_protected: Some(true),
            ..live(&spec())
        };
        assert_eq!(deepest(&spec(), &now, &kept), None);
        assert_eq!(deepest(&now, &spec(), &kept), Some(Effect::InPlace));
    }

    #[test]
    fn a_spot_machine_keeps_its_size_as_long_as_it_lives() {
        let now = MachineSpec {
            memory_mib: 2048,
            ..spec()
        };
        let spot = LiveMachine {
            is_spot: true,
            ..live(&spec())
        };
        assert_eq!(deepest(&spec(), &now, &spot), Some(Effect::Replace));
    }

    #[test]
    fn how_a_machine_is_rented_is_no_difference() {
        let now = MachineSpec {
            market: Market::Spot,
            ..spec()
        };
        assert_eq!(deepest(&spec(), &now, &live(&spec())), None);
    }

    #[test]
    fn another_image_needs_a_new_machine() {
        let mut now = spec();
        now.image.boot = Boot::Disk;
        assert_eq!(
            deepest(&spec(), &now, &live(&spec())),
            Some(Effect::Replace)
        );
    }

    #[test]
    fn a_machine_without_its_volume_needs_a_new_machine() {
        let attached = BTreeSet::from([LiveId("vol".into())]);
        let fields = machine(&spec(), &live(&spec()), None, &attached);
        assert_eq!(fields[0].field, "volumes");
        assert_eq!(fields[0].effect, Effect::Replace);
    }

    fn service_in(state: &str, exit_code: Option<i64>, health: Health) -> LiveStack {
        LiveStack {
            services: vec![LiveService {
                name: "web".into(),
                container: "web-1".into(),
                image: "nginx".into(),
                image_digest: String::new(),
                resolved: None,
                state: state.into(),
                exit_code,
                health,
                restarts: 0,
                ports: Vec::new(),
                altered: false,
            }],
            missing: BTreeSet::new(),
            changed_files: BTreeSet::new(),
        }
    }

    #[test]
    fn unhealthy_and_restarting_are_not_drift_but_dead_is() {
        assert!(stack(&service_in("running", None, Health::Unhealthy)).is_empty());
        assert!(stack(&service_in("restarting", Some(1), Health::Unknown)).is_empty());
        assert!(stack(&service_in("exited", Some(0), Health::Unknown)).is_empty());
        assert_eq!(
            stack(&service_in("exited", Some(137), Health::Unknown)).len(),
            1
        );
    }
}
