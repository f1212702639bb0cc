//! The parts of a host that a declaration may ask for: its storage pool and its network.
//!
//! What is there is taken as it is; what is declared and missing is made.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use virt::connect::Connect;

use super::fault::{Fault, found};
use super::xml::Node;
use super::{NetworkConfig, PoolConfig};

/// Whether machines reach the world through their host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    Nat,
    None,
}

/// An IPv4 network: `10.77.0.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    base: u32,
    prefix: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a subnet; write its first address and 8 to 29 bits, such as `10.77.0.0/24`")]
pub struct SubnetError(String);

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let fault = || SubnetError(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(fault)?;
        let base = u32::from(address.parse::<Ipv4Addr>().map_err(|_| fault())?);
        let prefix: u8 = prefix.parse().map_err(|_| fault())?;
        let is_usable = (8..=29).contains(&prefix) && base & (u32::MAX >> prefix) == 0;
        is_usable.then_some(Self { base, prefix }).ok_or_else(fault)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

impl Subnet {
    fn address(self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base + offset)
    }

    /// The host's own address.
    #[must_use]
    pub fn host(self) -> Ipv4Addr {
        self.address(1)
    }

    /// The first and the last address that machines get.
    #[must_use]
    pub fn range(self) -> (Ipv4Addr, Ipv4Addr) {
        let broadcast = u32::MAX >> self.prefix;
        (self.address(2), self.address(broadcast - 1))
    }
}

/// How a declared part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Absent,
    Inactive,
    Active,
}

pub fn pool_standing(conn: &Connect, config: &PoolConfig) -> Result<Standing, Fault> {
    match found(conn.lookup_storage_pool_by_name(&config.name))? {
        None => Ok(Standing::Absent),
        Some(pool) => Ok(standing(pool.is_active()?)),
    }
}

pub fn network_standing(conn: &Connect, config: &NetworkConfig) -> Result<Standing, Fault> {
    match found(conn.lookup_network_by_name(&config.name))? {
        None => Ok(Standing::Absent),
        Some(network) => Ok(standing(network.is_active()?)),
    }
}

fn standing(is_active: bool) -> Standing {
    if is_active {
        Standing::Active
    } else {
        Standing::Inactive
    }
}

/// Makes the pool if it is missing, and sees that it is active now and after the host has restarted.
pub fn pool(conn: &Connect, config: &PoolConfig) -> Result<(), Fault> {
    let pool = match (
        found(conn.lookup_storage_pool_by_name(&config.name))?,
        &config.path,
    ) {
        (Some(pool), _) => pool,
        (None, Some(path)) => {
            conn.define_storage_pool_xml(&pool_xml(&config.name, path).to_string(), 0)?
        }
        (None, None) => return Err(undeclared("storage pool", &config.name, "pool.path")),
    };
    if pool.is_active()? {
        return Ok(());
    }
    // Only what is declared with its path is ours to make on disk.
    if config.path.is_some() {
        pool.build(0)?;
    }
    pool.create(0)?;
    Ok(pool.set_autostart(true)?)
}

/// As [`pool`], for the network.
pub fn network(conn: &Connect, config: &NetworkConfig) -> Result<(), Fault> {
    let network = match (
        found(conn.lookup_network_by_name(&config.name))?,
        config.subnet,
    ) {
        (Some(network), _) => network,
        (None, Some(subnet)) => {
            let xml = network_xml(&config.name, subnet, config.forward);
            conn.define_network_xml(&xml.to_string())?
        }
        (None, None) => return Err(undeclared("network", &config.name, "network.subnet")),
    };
    if network.is_active()? {
        return Ok(());
    }
    network.create()?;
    Ok(network.set_autostart(true)?)
}

fn undeclared(what: &str, name: &str, field: &str) -> Fault {
    Fault::Refused(format!(
        "the {what} `{name}` is not there; define it in libvirt, or declare `{field}` to have it made"
    ))
}

fn pool_xml(name: &str, path: &str) -> Node {
    // QEMU's own user has to pass through the folder, and need not list it.
    let permissions = Node::new("permissions").child(Node::new("mode").text("0711"));
    let target = Node::new("target").child(Node::new("path").text(path));
    Node::new("pool")
        .with("type", "dir")
        .child(Node::new("name").text(name))
        .child(target.child(permissions))
}

fn network_xml(name: &str, subnet: Subnet, forward: Forward) -> Node {
    let (first, last) = subnet.range();
    let range = Node::new("range").with("start", first).with("end", last);
    let ip = Node::new("ip")
        .with("family", "ipv4")
        .with("address", subnet.host())
        .with("prefix", subnet.prefix)
        .child(Node::new("dhcp").child(range));
    let network = Node::new("network").child(Node::new("name").text(name));
    let network = match forward {
        Forward::Nat => network.child(Node::new("forward").with("mode", "nat")),
        Forward::None => network,
    };
    // Without a delay the first packet of a machine passes at once.
    let bridge = Node::new("bridge").with("stp", "off").with("delay", 0);
    network.child(bridge).child(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_gives_its_first_address_to_the_host_and_the_rest_to_machines() {
        let subnet: Subnet = "10.77.0.0/24".parse().unwrap();
        assert_eq!(subnet.to_string(), "10.77.0.0/24");
        assert_eq!(subnet.host(), Ipv4Addr::new(10, 77, 0, 1));
        let last = Ipv4Addr::new(10, 77, 0, 254);
        assert_eq!(subnet.range(), (Ipv4Addr::new(10, 77, 0, 2), last));
    }

    #[test]
    fn what_is_no_subnet_is_refused() {
        for bad in [
            "10.77.0.0",
            "10.77.0.1/24",
            "10.77.0.0/30",
            "0.0.0.0/0",
            "x/24",
            "10.0.0.0/33",
        ] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_isolated_network_forwards_nothing() {
        let subnet = "10.77.0.0/24".parse().unwrap();
        assert!(
            network_xml("n", subnet, Forward::None)
                .at("forward")
                .is_none()
        );
        assert!(
            network_xml("n", subnet, Forward::Nat)
                .at("forward")
                .is_some()
        );
    }
}
