//! Small things that the emulator does otherwise than EC2.

use super::call::Call;
use super::truth::Truth;
use super::wire::Answer;
use super::xml::Node;

/// The emulator does not detach a volume of which it is not told where it is.
pub fn complete(call: &Call, before: &Truth) -> Call {
    let mut call = call.clone();
    let volume = call.get("VolumeId").and_then(|id| before.of(id));
    let attachments = volume.map_or(&[][..], |volume| volume.items("attachmentSet"));
    if let ("DetachVolume", Some(attachment)) = (call.action.as_str(), attachments.first()) {
        for (name, path) in [("InstanceId", "instanceId"), ("Device", "device")] {
            let value = attachment.text_at(path).to_owned();
            call.params.entry(name.to_owned()).or_insert(value);
        }
    }
    call
}

/// The answer to what asks for nothing new: EC2 leaves a machine as it is that is in that state already,
/// and the emulator gives it another address or stumbles over what it has ended before.
pub fn idle(call: &Call, before: &Truth) -> Option<Node> {
    let (state, code) = match call.action.as_str() {
        "StartInstances" => ("running", "16"),
        "StopInstances" => ("stopped", "80"),
        "TerminateInstances" => ("terminated", "48"),
        _ => return None,
    };
    let mut answer = Node::new(&format!("{}Response", call.action));
    for id in call.list("InstanceId") {
        let instance = before.of(id)?;
        if instance.text_at("instanceState/name") != state {
            return None;
        }
        let mut item = Node::leaf("item", "");
        item.set("instanceId", id);
        for moment in ["currentState", "previousState"] {
            item.make(moment).set("code", code);
            item.make(moment).set("name", state);
        }
        answer.make("instancesSet").children.push(item);
    }
    Some(answer)
}

/// In the emulator all images are equally old and have 15 GiB; here the name says the day.
pub fn images(answer: Answer) -> Answer {
    if !answer.is_done() {
        return answer;
    }
    let mut document = Node::parse(&answer.body);
    for image in document.items_mut("imagesSet") {
        let day = image.text_at("name").rsplit('-').next().unwrap_or_default();
        if let (8, Ok(_)) = (day.len(), day.parse::<u32>()) {
            let (year, month, day) = (&day[..4], &day[4..6], &day[6..]);
            let date = format!("{year}-{month}-{day}T00:00:00.000Z");
            image.set("creationDate", &date);
        }
        for disk in image.items_mut("blockDeviceMapping") {
            disk.set("ebs/volumeSize", "1");
        }
    }
    Answer::xml(200, &document)
}
