//! What EC2 refuses and the emulator does: operations in the wrong state, and what does not fit
//! together.

use super::call::Call;
use super::lag::Lag;
use super::listing::Kind;
use super::pace::Pace;
use super::refusal::Refusal;
use super::truth::Truth;

/// Volumes that were changed once, which is as often as EC2 lets it be in some hours.
pub type Changed = std::collections::BTreeSet<String>;

/// A refusal, and the thing whose state is to blame for it.
pub struct Refused {
    pub refusal: Refusal,
    pub by: Option<String>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, by: None }
    }
}

pub struct Rules<'a> {
    pub truth: &'a Truth,
    pub pace: &'a Pace,
    pub lag: &'a Lag,
    pub changed: &'a Changed,
}

impl Rules<'_> {
    pub fn check(&self, call: &Call) -> Result<(), Refused> {
        self.is_seen(call)?;
        match call.action.as_str() {
            "RunInstances" => Ok(size_of_a_launch(call)?),
            "CreateVolume" | "CreateTags" => Ok(number_of_tags(call)?),
            "StartInstances" => self.each(call, &["running", "stopped", "pending"], "started"),
            "StopInstances" => self.each(call, &["running", "stopped", "stopping"], "stopped"),
            "ModifyInstanceAttribute" => self.modify_instance(call),
            "AttachVolume" => self.attach(call),
            "DetachVolume" => self.detach(call),
            "DeleteVolume" => self.delete_volume(call),
            "ModifyVolume" => self.modify_volume(call),
            _ => Ok(()),
        }
    }

    /// What nobody sees yet cannot be named.
    fn is_seen(&self, call: &Call) -> Result<(), Refused> {
        for id in named(call) {
            if self.lag.hides(id) {
                let kind = match id.starts_with("i-") {
                    true => Kind::Instances,
                    false => Kind::Volumes,
                };
                return Err(refused(id, kind.unknown(id)));
            }
        }
        Ok(())
    }

    fn state(&self, id: &str) -> &str {
        self.truth.state(self.pace, id)
    }

    fn each(&self, call: &Call, allowed: &[&str], done: &str) -> Result<(), Refused> {
        for id in call.list("InstanceId") {
            let state = self.state(id);
            if !state.is_empty() && !allowed.contains(&state) {
                let message =
                    format!("The instance '{id}' is not in a state from which it can be {done}.");
                let refusal = Refusal::bad("IncorrectInstanceState", message);
                return Err(refused(id, refusal));
            }
        }
        Ok(())
    }

    fn modify_instance(&self, call: &Call) -> Result<(), Refused> {
        let id = call.get("InstanceId").unwrap_or_default();
        let needs_rest = ["InstanceType.Value", "UserData.Value"];
        let needs_rest = needs_rest.iter().any(|name| call.get(name).is_some());
        if needs_rest && self.state(id) != "stopped" {
            let message = format!("The instance '{id}' is not in the 'stopped' state.");
            let refusal = Refusal::bad("IncorrectInstanceState", message);
            return Err(refused(id, refusal));
        }
        Ok(())
    }

    fn attach(&self, call: &Call) -> Result<(), Refused> {
        let volume = call.get("VolumeId").unwrap_or_default();
        let instance = call.get("InstanceId").unwrap_or_default();
        let (Some(disk), Some(machine)) = (self.truth.of(volume), self.truth.of(instance)) else {
            return Ok(());
        };
        if !["running", "stopped"].contains(&self.state(instance)) {
            let message = format!("Instance '{instance}' is not 'running'.");
            return Err(refused(instance, Refusal::bad("IncorrectState", message)));
        }
        if disk.text_at("availabilityZone") != machine.text_at("placement/availabilityZone") {
            let message = format!(
                "The volume '{volume}' is not in the same availability zone as instance '{instance}'"
            );
            return Err(Refusal::bad("InvalidVolume.ZoneMismatch", message).into());
        }
        match self.state(volume) {
            "available" => {}
            "in-use" | "attaching" | "detaching" => {
                let message = format!("{volume} is already attached to an instance");
                return Err(refused(volume, Refusal::bad("VolumeInUse", message)));
            }
            _ => {
                let message = format!("Volume '{volume}' is not 'available'.");
                return Err(refused(volume, Refusal::bad("IncorrectState", message)));
            }
        }
        let device = call.get("Device").unwrap_or_default();
        let mut devices = machine.items("blockDeviceMapping").iter();
        if devices.any(|item| item.text_at("deviceName") == device) {
            let message = format!(
                "Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
            );
            return Err(Refusal::bad("InvalidParameterValue", message).into());
        }
        Ok(())
    }

    fn detach(&self, call: &Call) -> Result<(), Refused> {
        let volume = call.get("VolumeId").unwrap_or_default();
        let state = self.state(volume);
        let is_attached = ["in-use", "attaching", ""].contains(&state);
        if !is_attached {
            let message = format!("Volume '{volume}' is in the '{state}' state.");
            return Err(refused(volume, Refusal::bad("IncorrectState", message)));
        }
        let attachments = self
            .truth
            .of(volume)
            .map_or(&[][..], |v| v.items("attachmentSet"));
        let holder = attachments.first().map_or("", |a| a.text_at("instanceId"));
        if call.get("InstanceId").is_some_and(|from| from != holder) {
            let message = format!("The volume '{volume}' is not attached to that instance.");
            return Err(Refusal::bad("InvalidAttachment.NotFound", message).into());
        }
        Ok(())
    }

    fn delete_volume(&self, call: &Call) -> Result<(), Refused> {
        let volume = call.get("VolumeId").unwrap_or_default();
        match self.state(volume) {
            "in-use" | "attaching" | "detaching" => {
                let message = format!("Volume {volume} is currently attached to an instance");
                Err(refused(volume, Refusal::bad("VolumeInUse", message)))
            }
            "creating" => {
                let message = format!("Volume '{volume}' is not 'available'.");
                Err(refused(volume, Refusal::bad("IncorrectState", message)))
            }
            _ => Ok(()),
        }
    }

    fn modify_volume(&self, call: &Call) -> Result<(), Refused> {
        let volume = call.get("VolumeId").unwrap_or_default();
        let now = self
            .truth
            .of(volume)
            .map_or("", |node| node.text_at("size"));
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        if number(call.get("Size").unwrap_or_default()) < number(now) {
            let message = "New size cannot be smaller than existing size";
            return Err(Refusal::bad("InvalidParameterValue", message).into());
        }
        if self.changed.contains(volume) {
            let message = "You've reached the maximum modification rate per volume limit. Wait at \
                 least 6 hours between modifications per EBS volume.";
            return Err(Refusal::bad("VolumeModificationRateExceeded", message).into());
        }
        Ok(())
    }
}

fn refused(id: &str, refusal: Refusal) -> Refused {
    Refused {
        refusal,
        by: Some(id.to_owned()),
    }
}

/// The instances and volumes that a call is about.
pub fn named(call: &Call) -> Vec<&str> {
    let single = ["InstanceId", "VolumeId"].map(|name| call.get(name));
    let lists = ["InstanceId", "VolumeId", "ResourceId"].map(|name| call.list(name));
    let all = single
        .into_iter()
        .flatten()
        .chain(lists.into_iter().flatten());
    all.filter(|id| id.starts_with("i-") || id.starts_with("vol-"))
        .collect()
}

fn number_of_tags(call: &Call) -> Result<(), Refusal> {
    let specified = (1..).map(|n| call.count(&format!("TagSpecification.{n}.Tag."), ".Key"));
    let specified = specified.take_while(|count| *count > 0).max();
    if specified.unwrap_or(0) > 50 {
        let message = "The maximum number of tags for a resource has been reached.";
        return Err(Refusal::bad("TagLimitExceeded", message));
    }
    Ok(())
}

fn size_of_a_launch(call: &Call) -> Result<(), Refusal> {
    number_of_tags(call)?;
    // Base64 needs four letters for three bytes.
    if call
        .get("UserData")
        .is_some_and(|data| data.len() > 16 * 1024 * 4 / 3 + 4)
    {
        let message = "User data is limited to 16384 bytes";
        return Err(Refusal::bad("InvalidParameterValue", message));
    }
    Ok(())
}

/// Whether the processors of a type are of that architecture; the letter `g` behind the generation,
/// as in `t4g.small`, is for Graviton.
pub fn fits(kind: &str, architecture: &str) -> bool {
    let family = kind.split('.').next().unwrap_or_default();
    let behind = family.trim_start_matches(|c: char| !c.is_ascii_digit());
    (architecture == "arm64") == behind.contains('g')
}
