//! What stands behind the instances. The emulator has nothing there; a story that goes on inside a
//! machine puts real ones there.

use super::call::Call;
use super::truth::Truth;
use super::xml::Node;

pub trait Behind: Send + Sync {
    /// A change was made: what was asked, how everything was before, and how it is now.
    fn follow(&self, call: &Call, before: &Truth, now: &Truth);

    /// Whether an instance, or a volume at one, is still on its way, however often somebody looks.
    fn is_moving(&self, id: &str) -> bool;

    /// By which the world reaches an instance.
    fn address(&self, instance: &str) -> Option<String>;

    /// What an instance has said on its serial console.
    fn console(&self, instance: &str) -> Vec<u8>;
}

/// Gives an instance that has a public address the one that leads somewhere.
pub fn show_address(node: &mut Node, behind: &dyn Behind) {
    let address = behind.address(node.text_at("instanceId"));
    if let (Some(address), true) = (address, node.at("ipAddress").is_some()) {
        node.set("ipAddress", &address);
    }
}
