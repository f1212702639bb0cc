//! Spot requests, of which the emulator knows nothing: what a machine was rented with, what that does
//! not let it do, and what would launch it again.

use std::collections::BTreeMap;

use super::call::Call;
use super::refusal::Refusal;
use super::xml::Node;

/// The open request of each spot machine; `None` once it was cancelled.
#[derive(Debug, Default)]
pub struct Requests(BTreeMap<String, Option<String>>, BTreeMap<String, Node>);

/// All requests are of that day, which is long ago.
const MADE: &str = "2026-01-01T00:00:00.000Z";

impl Requests {
    /// A machine was launched.
    pub fn launched(&mut self, call: &Call, instance: &mut Node) {
        if call.get("InstanceMarketOptions.MarketType") == Some("spot") {
            let id = instance.text_at("instanceId").to_owned();
            let request = id.replacen("i-", "sir-", 1);
            self.1.insert(request.clone(), described(call, &request));
            self.0.insert(id, Some(request));
            self.show(instance);
        }
    }

    pub fn show(&self, instance: &mut Node) {
        if let Some(request) = self.0.get(instance.text_at("instanceId")) {
            instance.set("instanceLifecycle", "spot");
            if let Some(request) = request {
                instance.set("spotInstanceRequestId", request);
            }
        }
    }

    /// Those that are open and pass the filters.
    pub fn list(&self, call: &Call) -> Option<Node> {
        if call.action != "DescribeSpotInstanceRequests" {
            return None;
        }
        let mut answer = Node::new("DescribeSpotInstanceRequestsResponse");
        answer.make("spotInstanceRequestSet");
        let open = self.0.values().flatten().filter_map(|id| self.1.get(id));
        let asked = call.list("SpotInstanceRequestId");
        for request in open {
            let id = request.text_at("spotInstanceRequestId");
            let is_asked = asked.is_empty() || asked.contains(&id);
            if is_asked && call.filters().iter().all(|filter| passes(request, filter)) {
                answer
                    .make("spotInstanceRequestSet")
                    .children
                    .push(request.clone());
            }
        }
        Some(answer)
    }

    /// Ends requests, if that is what is asked for.
    pub fn cancel(&mut self, call: &Call) -> Option<Node> {
        if call.action != "CancelSpotInstanceRequests" {
            return None;
        }
        let mut answer = Node::new("CancelSpotInstanceRequestsResponse");
        for id in call.list("SpotInstanceRequestId") {
            let mut open = self.0.values_mut();
            if let Some(request) = open.find(|request| request.as_deref() == Some(id)) {
                *request = None;
            }
            let mut item = Node::leaf("item", "");
            item.set("spotInstanceRequestId", id);
            item.set("state", "cancelled");
            answer.make("spotInstanceRequestSet").children.push(item);
        }
        Some(answer)
    }

    /// What cannot be done with a spot machine.
    pub fn check(&self, call: &Call) -> Result<(), Refusal> {
        if call.get("InstanceMarketOptions.MarketType") == Some("spot") {
            let option = |name| call.get(&format!("InstanceMarketOptions.SpotOptions.{name}"));
            let is_lasting = option("SpotInstanceType") == Some("persistent")
                && option("InstanceInterruptionBehavior") == Some("stop");
            if !is_lasting {
                let message = "a machine of this request could not be stopped";
                return Err(Refusal::bad("UnsupportedOperation", message));
            }
            if call.get("DisableApiTermination") == Some("true") {
                let message = "Termination protection is not supported for spot instances";
                return Err(Refusal::bad("InvalidParameterCombination", message));
            }
        }
        let one = call.get("InstanceId").and_then(|id| self.0.get(id));
        let touched = ["InstanceType.Value", "DisableApiTermination.Value"];
        let is_modified = touched.iter().any(|name| call.get(name).is_some());
        if call.action == "ModifyInstanceAttribute" && one.is_some() && is_modified {
            let message = "This attribute cannot be modified for spot instances";
            return Err(Refusal::bad("UnsupportedOperation", message));
        }
        if call.action == "TerminateInstances" {
            let open = |id: &&str| matches!(self.0.get(*id), Some(Some(_)));
            if let Some(id) = call.list("InstanceId").into_iter().find(open) {
                let message = format!("the request of {id} would launch another one");
                return Err(Refusal::bad("TheTestRefuses", message));
            }
        }
        Ok(())
    }
}

/// What is shown of a request, with the tags that it was made with.
fn described(call: &Call, id: &str) -> Node {
    let mut request = Node::leaf("item", "");
    request.set("spotInstanceRequestId", id);
    request.set("state", "active");
    request.set("type", "persistent");
    request.set("createTime", MADE);
    let kind = call.get("InstanceType").unwrap_or_default();
    request.set("launchSpecification/instanceType", kind);
    let is_its = |n: &usize| {
        let of = call.get(&format!("TagSpecification.{n}.ResourceType"));
        of == Some("spot-instances-request")
    };
    let all = request.make("tagSet");
    for n in (1..5).filter(is_its) {
        let part = |i: usize, what| call.get(&format!("TagSpecification.{n}.Tag.{i}.{what}"));
        for i in (1..).take_while(|i| part(*i, "Key").is_some()) {
            let mut tag = Node::leaf("item", "");
            tag.set("key", part(i, "Key").unwrap_or_default());
            tag.set("value", part(i, "Value").unwrap_or_default());
            all.children.push(tag);
        }
    }
    request
}

fn passes(request: &Node, (name, values): &(&str, Vec<&str>)) -> bool {
    let told = match *name {
        "state" => Some(request.text_at("state")),
        "spot-instance-request-id" => Some(request.text_at("spotInstanceRequestId")),
        "tag-key" => return values.iter().any(|key| request.tag(key).is_some()),
        other => other.strip_prefix("tag:").and_then(|key| request.tag(key)),
    };
    told.is_some_and(|told| values.contains(&told))
}
