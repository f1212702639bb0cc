//! A network as EC2 writes it: `192.0.2.0/24`, with nothing beyond its prefix. Pure.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    base: IpAddr,
    prefix: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network; write it such as `192.0.2.0/24`")]
pub struct CidrError(String);

impl FromStr for Cidr {
    type Err = CidrError;

    /// What lies beyond the prefix is dropped, as EC2 does it.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        let parsed = || {
            let (address, prefix) = text.split_once('/')?;
            let (address, prefix) = (address.parse().ok()?, prefix.parse().ok()?);
            masked(address, prefix).map(|base| Self { base, prefix })
        };
        parsed().ok_or_else(|| CidrError(text.to_owned()))
    }
}

impl Cidr {
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        self.base.is_ipv6()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// `None` when the address has fewer bits than that.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    let prefix = u32::from(prefix);
    Some(match address {
        IpAddr::V4(address) => {
            let hosts = u32::MAX.checked_shr(prefix).unwrap_or(0);
            let bits = (prefix <= u32::BITS).then(|| u32::from(address) & !hosts)?;
            IpAddr::V4(bits.into())
        }
        IpAddr::V6(address) => {
            let hosts = u128::MAX.checked_shr(prefix).unwrap_or(0);
            let bits = (prefix <= u128::BITS).then(|| u128::from(address) & !hosts)?;
            IpAddr::V6(bits.into())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_without_what_lies_beyond_its_prefix() {
        let written = |text: &str| text.parse::<Cidr>().map(|cidr| cidr.to_string());
        assert_eq!(written("192.0.2.77/24").unwrap(), "192.0.2.0/24");
        assert_eq!(written("192.0.2.77/32").unwrap(), "192.0.2.77/32");
        assert_eq!(written("10.1.2.3/0").unwrap(), "0.0.0.0/0");
        assert_eq!(written("2001:DB8::1/64").unwrap(), "2001:db8::/64");
        for bad in ["192.0.2.1", "192.0.2.1/33", "::/129", "lan/24", "1.2.3.4/x"] {
            assert!(written(bad).is_err(), "{bad}");
        }
    }
}
