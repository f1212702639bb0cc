//! `DescribeInstances` and `DescribeVolumes` as EC2 answers them: by id, by filters, in pages.

use super::call::Call;
use super::refusal::Refusal;
use super::xml::Node;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Instances,
    Volumes,
}

impl Kind {
    pub fn of(call: &Call) -> Option<Self> {
        match call.action.as_str() {
            "DescribeInstances" => Some(Self::Instances),
            "DescribeVolumes" => Some(Self::Volumes),
            _ => None,
        }
    }

    /// The element that has the id, and the error that says there is none.
    pub fn key(self) -> &'static str {
        match self {
            Self::Instances => "instanceId",
            Self::Volumes => "volumeId",
        }
    }

    pub fn parameter(self) -> &'static str {
        match self {
            Self::Instances => "InstanceId",
            Self::Volumes => "VolumeId",
        }
    }

    pub fn unknown(self, id: &str) -> Refusal {
        match self {
            Self::Instances => Refusal::bad(
                "InvalidInstanceID.NotFound",
                format!("The instance ID '{id}' does not exist"),
            ),
            Self::Volumes => Refusal::bad(
                "InvalidVolume.NotFound",
                format!("The volume '{id}' does not exist."),
            ),
        }
    }
}

/// The answer out of all that can be seen; `most` is how many a page holds at most.
pub fn answer(kind: Kind, call: &Call, seen: &[Node], most: usize) -> Result<Node, Refusal> {
    let ids = call.list(kind.parameter());
    if !ids.is_empty() && call.get("MaxResults").is_some() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(Refusal::bad("InvalidParameterCombination", message));
    }
    let chosen = chosen(kind, &ids, seen)?;
    let mut found = Vec::new();
    for node in chosen {
        if passes(node, &call.filters())? {
            found.push(node.clone());
        }
    }
    let asked = call.get("MaxResults").and_then(|n| n.parse().ok());
    let size = asked.unwrap_or(1000).min(most);
    let begin = call.get("NextToken").and_then(|n| n.parse().ok());
    let begin = begin.unwrap_or(0).min(found.len());
    let end = (begin + size).min(found.len());
    let next = (end < found.len()).then(|| end.to_string());
    found.drain(end..);
    found.drain(..begin);
    Ok(document(kind, found, next))
}

fn chosen<'a>(kind: Kind, ids: &[&str], seen: &'a [Node]) -> Result<Vec<&'a Node>, Refusal> {
    if ids.is_empty() {
        return Ok(seen.iter().collect());
    }
    let by_id = |id: &&str| {
        let found = seen.iter().find(|node| node.text_at(kind.key()) == *id);
        found.ok_or_else(|| kind.unknown(id))
    };
    ids.iter().map(by_id).collect()
}

fn passes(node: &Node, filters: &[(&str, Vec<&str>)]) -> Result<bool, Refusal> {
    for (name, wanted) in filters {
        let values = values(node, name)?;
        let is_wanted = |value: &&str| wanted.iter().any(|w| is_like(value, w));
        if !values.iter().any(is_wanted) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a filter looks at.
fn values<'a>(node: &'a Node, filter: &str) -> Result<Vec<&'a str>, Refusal> {
    if let Some(key) = filter.strip_prefix("tag:") {
        return Ok(node.tag(key).into_iter().collect());
    }
    let all = |list: &str, path: &'static str| -> Vec<&'a str> {
        let items = node.items(list).iter();
        items.map(|item| item.text_at(path)).collect()
    };
    Ok(match filter {
        "tag-key" => all("tagSet", "key"),
        "attachment.instance-id" => all("attachmentSet", "instanceId"),
        "attachment.status" => all("attachmentSet", "status"),
        "attachment.device" => all("attachmentSet", "device"),
        "block-device-mapping.volume-id" => all("blockDeviceMapping", "ebs/volumeId"),
        "instance-state-name" => vec![node.text_at("instanceState/name")],
        "instance-type" => vec![node.text_at("instanceType")],
        "instance-id" => vec![node.text_at("instanceId")],
        "client-token" => vec![node.text_at("clientToken")],
        "image-id" => vec![node.text_at("imageId")],
        "vpc-id" => vec![node.text_at("vpcId")],
        "subnet-id" => vec![node.text_at("subnetId")],
        "volume-id" => vec![node.text_at("volumeId")],
        "status" => vec![node.text_at("status")],
        "availability-zone" => ["availabilityZone", "placement/availabilityZone"]
            .map(|path| node.text_at(path))
            .to_vec(),
        _ => {
            let message = format!("The filter '{filter}' is invalid");
            return Err(Refusal::bad("InvalidParameterValue", message));
        }
    })
}

/// Whether a text fits a pattern, in which `*` stands for any text.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(text) = text.strip_prefix(begin) else {
        return false;
    };
    let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.any(|at| is_like(&text[at..], rest))
}

fn document(kind: Kind, found: Vec<Node>, next: Option<String>) -> Node {
    let mut document = match kind {
        Kind::Instances => {
            let mut document = Node::new("DescribeInstancesResponse");
            document.make("reservationSet").children =
                found.into_iter().map(in_a_reservation).collect();
            document
        }
        Kind::Volumes => {
            let mut document = Node::new("DescribeVolumesResponse");
            document.make("volumeSet").children = found;
            document
        }
    };
    document.set("requestId", "request-id");
    if let Some(next) = next {
        document.set("nextToken", &next);
    }
    document
}

/// Each in one of its own, as if none had been launched together with others.
fn in_a_reservation(instance: Node) -> Node {
    let id = instance.text_at("instanceId").replacen("i-", "r-", 1);
    let mut item = Node::new("item");
    item.set("reservationId", &id);
    item.make("groupSet");
    item.make("instancesSet").children.push(instance);
    item
}
