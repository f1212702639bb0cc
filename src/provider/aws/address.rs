//! Elastic addresses, for whoever looks at the inventory: Metrom makes none.

use aws_sdk_ec2::types::Address;

use super::answer::look;
use super::link::Link;
use super::{seen, tag};
use crate::model::{About, KeptAddress, LiveId};

/// All of the region, which come in one page.
///
/// # Errors
/// Why they cannot be seen, in words: nothing is decided by them, so nothing waits for that.
pub async fn list(link: &Link) -> Result<Vec<KeptAddress>, String> {
    let answer = link.ec2.describe_addresses().send().await;
    let answer = answer.map_err(|error| {
        let provider = &link.config.provider;
        look(error).explain(provider, "list addresses").to_string()
    })?;
    Ok(answer.addresses().iter().filter_map(kept).collect())
}

/// `None` for what has no id, or no address.
fn kept(address: &Address) -> Option<KeptAddress> {
    let id = address.allocation_id()?;
    let holder = address.instance_id().filter(|id| !id.is_empty());
    Some(KeptAddress {
        id: LiveId(id.to_owned()),
        name: seen::name(&tag::read(address.tags()), id),
        address: address.public_ip()?.parse().ok()?,
        about: About {
            type_name: Some("elastic".to_owned()),
            made: None,
            holder: holder.map(|id| LiveId(id.to_owned())),
        },
    })
}
