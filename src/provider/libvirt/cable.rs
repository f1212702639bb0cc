//! The network cable of a machine that runs: pulled for a moment when it has stood still.

use std::time::Duration;

use virt::domain::Domain;
use virt::sys;

use super::domain::is_cut_off;
use super::fault::Fault;
use super::xml::Node;

/// Linux tells of a link at most once a second, and what comes and goes within it not at all.
pub const UNTIL_NOTICED: Duration = Duration::from_secs(2);

pub fn pull(domain: &Domain) -> Result<(), Fault> {
    set(domain, "down")
}

pub fn plug(domain: &Domain) -> Result<(), Fault> {
    set(domain, "up")
}

/// Whether somebody pulled it, or was killed before it was back.
pub fn is_out(domain: &Domain) -> Result<bool, Fault> {
    if !domain.is_active()? {
        return Ok(false);
    }
    Ok(is_cut_off(&Node::parse(&domain.xml_desc(0)?)?))
}

fn set(domain: &Domain, state: &str) -> Result<(), Fault> {
    let xml = Node::parse(&domain.xml_desc(0)?)?;
    let devices = xml.at("devices").cloned().unwrap_or_default();
    for interface in devices.all("interface") {
        let mut interface = interface.clone();
        interface.replace(Node::new("link").with("state", state));
        domain.update_device_flags(&interface.to_string(), sys::VIR_DOMAIN_AFFECT_LIVE)?;
    }
    Ok(())
}
