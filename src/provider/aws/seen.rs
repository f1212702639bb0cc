//! Machines and volumes as EC2 describes them, in as few words as we need. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{
    Instance, InstanceBlockDeviceMapping, InstanceLifecycleType, InstanceStateName,
    Volume as Described, VolumeAttachment, VolumeAttachmentState, VolumeState,
};

use super::config::Reach;
use super::fault::Answer;
use super::tag::{self, Mark, Tags};
use crate::model::{About, Key, LiveId, Power, Stamp, Timestamp};

pub const MIB_IN_GIB: u64 = 1024;

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub id: LiveId,
    /// What people see in AWS's console.
    pub name: String,
    pub state: State,
    /// The instance type, such as `t3.small`.
    pub kind: String,
    /// `None`: it is not ours.
    pub mark: Option<Mark>,
    /// What is attached, by the name of the device.
    pub disks: BTreeMap<String, Disk>,
    pub public: Option<IpAddr>,
    pub private: Option<IpAddr>,
    pub is_spot: bool,
    /// What would launch it again when it ends.
    pub spot_request: Option<String>,
    /// Why it ended, or why it stopped.
    pub why: Option<Answer>,
    /// When it was launched for the first time.
    pub made: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It comes up.
    Pending,
    Running,
    Stopping,
    Stopped,
    /// It shuts down for ever.
    Ending,
    /// It has ended, and is shown for an hour still.
    Ended,
}

/// A volume as its machine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    pub volume: LiveId,
    /// Whether it is deleted when the machine ends.
    pub ends_with_machine: bool,
}

impl Machine {
    /// `None` for what has no id.
    #[must_use]
    pub fn of(instance: &Instance) -> Option<Self> {
        let id = instance.instance_id()?;
        let tags = tag::read(instance.tags());
        let address = |text: Option<&str>| text.and_then(|text| text.parse().ok());
        let state = instance.state().and_then(|state| state.name());
        let why = instance.state_reason();
        Some(Self {
            id: LiveId(id.to_owned()),
            name: name(&tags, id),
            state: state.map_or(State::Pending, State::of),
            kind: instance
                .instance_type()
                .map_or_else(String::new, ToString::to_string),
            mark: Mark::of(&tags),
            disks: instance
                .block_device_mappings()
                .iter()
                .filter_map(disk)
                .collect(),
            public: address(instance.public_ip_address()),
            private: address(instance.private_ip_address()),
            is_spot: instance.instance_lifecycle() == Some(&InstanceLifecycleType::Spot),
            spot_request: instance.spot_instance_request_id().map(str::to_owned),
            why: why.map(|why| {
                let code = why.code().unwrap_or_default();
                Answer::new(code, why.message().unwrap_or_default())
            }),
            made: made(instance),
        })
    }

    /// `None` when it is on its way out, and so is no machine any more.
    #[must_use]
    pub fn power(&self) -> Option<Power> {
        let is_paused = self.mark.as_ref().is_some_and(|mark| mark.ready.is_some());
        match self.state {
            State::Pending | State::Running => Some(Power::Running),
            State::Stopping | State::Stopped if is_paused => Some(Power::Paused),
            State::Stopping | State::Stopped => Some(Power::Stopped),
            State::Ending | State::Ended => None,
        }
    }

    #[must_use]
    pub fn about(&self) -> About {
        About {
            type_name: Some(self.kind.clone()).filter(|kind| !kind.is_empty()),
            made: self.made,
            holder: None,
        }
    }

    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Ending | State::Ended)
    }

    #[must_use]
    pub fn address(&self, reach: Reach) -> Option<IpAddr> {
        let is_up = matches!(self.state, State::Pending | State::Running);
        let address = match reach {
            Reach::Public => self.public,
            Reach::Private => self.private,
        };
        address.filter(|_| is_up)
    }
}

impl State {
    fn of(name: &InstanceStateName) -> Self {
        match name {
            InstanceStateName::Running => Self::Running,
            InstanceStateName::Stopping => Self::Stopping,
            InstanceStateName::Stopped => Self::Stopped,
            InstanceStateName::ShuttingDown => Self::Ending,
            InstanceStateName::Terminated => Self::Ended,
            // What nobody has heard of is no reason to do anything.
            _ => Self::Pending,
        }
    }
}

/// The time of the launch is that of the last start; the first interface and the disks are as old as the
/// machine, or younger.
fn made(instance: &Instance) -> Option<Timestamp> {
    let interfaces = instance.network_interfaces().iter();
    let interfaces = interfaces.filter_map(|interface| interface.attachment()?.attach_time());
    let disks = instance.block_device_mappings().iter();
    let disks = disks.filter_map(|mapping| mapping.ebs()?.attach_time());
    let times = interfaces.chain(disks).chain(instance.launch_time());
    times.filter_map(instant).min()
}

pub fn instant(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}

pub fn name(tags: &Tags, id: &str) -> String {
    let name = tags.get(tag::NAME).filter(|name| !name.is_empty());
    name.map_or(id, String::as_str).to_owned()
}

fn disk(mapping: &InstanceBlockDeviceMapping) -> Option<(String, Disk)> {
    let ebs = mapping.ebs()?;
    let disk = Disk {
        volume: LiveId(ebs.volume_id()?.to_owned()),
        ends_with_machine: ebs.delete_on_termination().unwrap_or_default(),
    };
    Some((mapping.device_name()?.to_owned(), disk))
}

/// An EBS volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub id: LiveId,
    pub name: String,
    pub size_mib: u64,
    pub zone: String,
    pub state: VolumeState,
    /// `None`: it is no data volume of ours.
    pub stamp: Option<Stamp>,
    /// It goes with its machine: no object of its own.
    pub is_part: bool,
    pub attachments: Vec<Attachment>,
    /// Such as `gp3`.
    pub kind: Option<String>,
    pub made: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub machine: LiveId,
    pub device: String,
    pub phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Attaching,
    Attached,
    Detaching,
}

impl Volume {
    /// `None` for what has no id.
    #[must_use]
    pub fn of(volume: &Described) -> Option<Self> {
        let id = volume.volume_id()?;
        let tags = tag::read(volume.tags());
        let is_part = tags.contains_key(tag::PART);
        let size = volume.size().and_then(|gib| u64::try_from(gib).ok());
        let is_data = |stamp: &Stamp| !is_part && matches!(stamp.key, Key::Volume(_));
        Some(Self {
            id: LiveId(id.to_owned()),
            name: name(&tags, id),
            size_mib: size.unwrap_or_default() * MIB_IN_GIB,
            zone: volume.availability_zone().unwrap_or_default().to_owned(),
            state: volume.state().cloned().unwrap_or(VolumeState::Creating),
            stamp: tag::stamp(&tags).filter(is_data),
            is_part,
            attachments: volume.attachments().iter().filter_map(attachment).collect(),
            kind: volume.volume_type().map(ToString::to_string),
            made: volume.create_time().and_then(instant),
        })
    }

    /// Whether it is on its way out, and so is no volume any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.state, VolumeState::Deleting | VolumeState::Deleted)
    }

    #[must_use]
    pub fn about(&self) -> About {
        About {
            type_name: self.kind.clone(),
            made: self.made,
            holder: self.attachments.first().map(|a| a.machine.clone()),
        }
    }

    /// The name that the environment has for it.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        match &self.stamp.as_ref()?.key {
            Key::Volume(name) => Some(name),
            Key::Image
            | Key::Machine
            | Key::Guest
            | Key::Containers
            | Key::Checkout(_)
            | Key::Stack => None,
        }
    }

    #[must_use]
    pub fn attachment(&self, machine: &LiveId) -> Option<&Attachment> {
        self.attachments
            .iter()
            .find(|attachment| attachment.machine == *machine)
    }

    /// Whether the machine has it, or is just getting it.
    #[must_use]
    pub fn is_on(&self, machine: &LiveId) -> bool {
        let attachment = self.attachment(machine);
        attachment.is_some_and(|attachment| attachment.phase != Phase::Detaching)
    }
}

fn attachment(attachment: &VolumeAttachment) -> Option<Attachment> {
    let phase = match attachment.state() {
        Some(VolumeAttachmentState::Detached) => return None,
        Some(VolumeAttachmentState::Attaching) => Phase::Attaching,
        Some(VolumeAttachmentState::Detaching | VolumeAttachmentState::Busy) => Phase::Detaching,
        _ => Phase::Attached,
    };
    Some(Attachment {
        machine: LiveId(attachment.instance_id()?.to_owned()),
        device: attachment.device().unwrap_or_default().to_owned(),
        phase,
    })
}

/// Where a machine finds a volume inside, whatever it calls its devices.
#[must_use]
pub fn device(volume: &LiveId) -> String {
    let serial = volume.0.replace('-', "");
    format!("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{serial}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::aws::tag::tests::mark;
    use aws_sdk_ec2::types::InstanceState;

    fn instance(state: &str, mark: Option<&Mark>) -> Machine {
        let state = InstanceState::builder()
            .name(InstanceStateName::from(state))
            .build();
        let tags = mark.map(|mark| tag::written(&mark.tags()));
        let instance = Instance::builder()
            .instance_id("i-0123")
            .instance_type("t3.small".into())
            .state(state)
            .set_tags(tags)
            .public_ip_address("192.0.2.7")
            .build();
        Machine::of(&instance).unwrap()
    }

    #[test]
    fn power_is_what_the_machine_is_about_to_be() {
        let ready = mark();
        let plain = Mark {
            ready: None,
            ..mark()
        };
        let table = [
            ("pending", Some(&plain), Some(Power::Running)),
            ("running", Some(&ready), Some(Power::Running)),
            ("stopping", Some(&plain), Some(Power::Stopped)),
            ("stopped", Some(&plain), Some(Power::Stopped)),
            ("stopped", Some(&ready), Some(Power::Paused)),
            ("stopped", None, Some(Power::Stopped)),
            ("shutting-down", Some(&ready), None),
            ("terminated", None, None),
        ];
        for (state, mark, power) in table {
            assert_eq!(instance(state, mark).power(), power, "{state}");
        }
        assert_eq!(instance("stopped", None).address(Reach::Public), None);
        let address = instance("running", None).address(Reach::Public);
        assert_eq!(address, Some("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn a_disk_that_goes_with_its_machine_is_no_data_volume() {
        let stamp = Stamp {
            key: Key::Volume("data".into()),
            ..mark().stamp
        };
        let volume = |tags: &Tags| {
            let volume = Described::builder().volume_id("vol-0a1b").size(2);
            Volume::of(&volume.set_tags(Some(tag::written(tags))).build()).unwrap()
        };
        let mut tags = tag::of_stamp(&stamp);
        let data = volume(&tags);
        assert_eq!((data.label(), data.size_mib), (Some("data"), 2048));
        assert_eq!(data.name, "metrom-shop-dev");
        tags.insert(tag::PART.to_owned(), "machine".to_owned());
        assert_eq!(volume(&tags).stamp, None);
    }

    #[test]
    fn a_machine_finds_a_volume_by_its_id() {
        assert_eq!(
            device(&LiveId("vol-0a1b2c".into())),
            "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0a1b2c"
        );
    }
}
