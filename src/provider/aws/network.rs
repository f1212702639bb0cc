//! Where machines are attached: a subnet that is there, and security groups, of which one may be ours.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, ResourceType, SecurityGroup, Subnet};

use super::answer::{change, look};
use super::cidr::Cidr;
use super::fault::Fault;
use super::link::{Link, filter};
use super::tag::{self, PROVIDER};
use super::wait::{self, SHOWN, until};
use crate::model::Part;

const SSH: i32 = 22;

/// A subnet, with the zone and the VPC that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub subnet: String,
    pub zone: String,
    pub vpc: String,
}

/// Where machines and their volumes are made: the declared subnet, or the default one of the declared
/// zone, or that of the first zone that has one.
///
/// # Errors
/// [`Fault::Refused`] when there is no such subnet.
pub async fn site(link: &Link) -> Result<Site, Fault> {
    let config = &link.config;
    let asked = link.ec2.describe_subnets();
    let asked = match (&config.subnet, &config.zone) {
        (Some(subnet), _) => asked.subnet_ids(subnet),
        (None, Some(zone)) => asked
            .filters(filter("availability-zone", [zone]))
            .filters(filter("default-for-az", ["true"])),
        (None, None) => asked.filters(filter("default-for-az", ["true"])),
    };
    let answer = asked.send().await.map_err(look)?;
    let sites = answer.subnets().iter().filter_map(site_of);
    sites.min_by(|a, b| a.zone.cmp(&b.zone)).ok_or_else(|| {
        let where_ = config.zone.as_ref().unwrap_or(&config.region);
        Fault::Refused(format!(
            "{where_} has no default subnet; declare `network.subnet`"
        ))
    })
}

fn site_of(subnet: &Subnet) -> Option<Site> {
    Some(Site {
        subnet: subnet.subnet_id()?.to_owned(),
        zone: subnet.availability_zone()?.to_owned(),
        vpc: subnet.vpc_id()?.to_owned(),
    })
}

/// The security groups of a new machine.
///
/// # Errors
/// [`Fault::Moved`] when ours is not there, [`Fault::Foreign`] when what is called so is not ours.
pub async fn groups(link: &Link, site: &Site) -> Result<Vec<String>, Fault> {
    if !link.config.security_groups.is_empty() {
        return Ok(link.config.security_groups.clone());
    }
    match find(link, site).await? {
        Some(group) => Ok(vec![require_ours(link, &group)?]),
        None => Err(Fault::Moved(what(link))),
    }
}

/// What is declared of the network and not there yet: our own group, or one of its rules.
pub async fn missing(link: &Link) -> Result<BTreeSet<Part>, Fault> {
    if !link.config.security_groups.is_empty() {
        return Ok(BTreeSet::new());
    }
    let declared = declared(link)?;
    let group = find(link, &site(link).await?).await?;
    let is_there = group.is_some_and(|group| {
        require_ours(link, &group).is_ok() && declared.is_subset(&open(&group))
    });
    Ok(if is_there {
        BTreeSet::new()
    } else {
        BTreeSet::from([Part::SecurityGroup(name(link))])
    })
}

/// Makes our own security group, if one is declared, and what is missing of it. Nothing is ever
/// closed: a network that is no longer declared is taken out by hand.
///
/// # Errors
/// [`Fault::Foreign`] when a group that is not ours has its name.
pub async fn prepare(link: &Link) -> Result<(), Fault> {
    if !link.config.security_groups.is_empty() {
        return Ok(());
    }
    let declared = declared(link)?;
    let site = site(link).await?;
    let group = match find(link, &site).await? {
        Some(group) => group,
        None => make(link, &site).await?,
    };
    let id = require_ours(link, &group)?;
    let open = open(&group);
    for network in declared.difference(&open) {
        let opened = link.ec2.authorize_security_group_ingress();
        let opened = opened.group_id(&id).ip_permissions(permission(network));
        match opened.send().await.map_err(change) {
            // Somebody was faster.
            Err(fault) if fault.is(&["InvalidPermission.Duplicate"]) => {}
            opened => drop(opened?),
        }
    }
    let shown = || async { Ok(missing(link).await?.is_empty().then_some(())) };
    let late = format!("the {} was not shown", what(link));
    until(SHOWN, &late, shown).await.map_err(Fault::once_begun)
}

async fn make(link: &Link, site: &Site) -> Result<SecurityGroup, Fault> {
    let provider = link.config.provider.to_string();
    let ours = tag::tags([(tag::NAME, name(link)), (PROVIDER, provider)]);
    let tags = tag::complete(ours, &link.config.tags).map_err(Fault::Refused)?;
    let asked = link.ec2.create_security_group();
    let asked = asked
        .group_name(name(link))
        .description("SSH to machines of Metrom, and nothing else")
        .vpc_id(&site.vpc)
        .tag_specifications(tag::specification(ResourceType::SecurityGroup, &tags));
    match asked.send().await.map_err(change) {
        // Somebody was faster, or we were and did not hear of it.
        Err(fault) if fault.is(&["InvalidGroup.Duplicate"]) => {}
        made => drop(made?),
    }
    let late = format!("the {} was not shown", what(link));
    let made = until(wait::SHOWN, &late, || find(link, site));
    made.await.map_err(Fault::once_begun)
}

async fn find(link: &Link, site: &Site) -> Result<Option<SecurityGroup>, Fault> {
    let asked = link.ec2.describe_security_groups();
    let asked = asked
        .filters(filter("group-name", [name(link)]))
        .filters(filter("vpc-id", [&site.vpc]));
    let answer = asked.send().await.map_err(look)?;
    Ok(answer.security_groups().first().cloned())
}

/// The id of a group of ours.
fn require_ours(link: &Link, group: &SecurityGroup) -> Result<String, Fault> {
    let provider = tag::read(group.tags()).remove(PROVIDER);
    if provider.as_deref() != Some(link.config.provider.as_str()) {
        return Err(Fault::Foreign(format!("a {}", what(link))));
    }
    Ok(group.group_id().unwrap_or_default().to_owned())
}

fn name(link: &Link) -> String {
    format!("metrom-{}", link.config.provider)
}

fn what(link: &Link) -> String {
    Part::SecurityGroup(name(link)).to_string()
}

fn declared(link: &Link) -> Result<BTreeSet<Cidr>, Fault> {
    let declared = link.config.ssh_from.iter().map(|text| text.parse::<Cidr>());
    declared
        .collect::<Result<_, _>>()
        .map_err(|error| Fault::Refused(error.to_string()))
}

/// The networks that a group lets in to SSH.
fn open(group: &SecurityGroup) -> BTreeSet<Cidr> {
    let is_ssh = |rule: &&IpPermission| match rule.ip_protocol() {
        Some("-1") => true,
        Some("tcp") => {
            let (from, to) = (rule.from_port().unwrap_or(0), rule.to_port().unwrap_or(0));
            (from..=to).contains(&SSH)
        }
        _ => false,
    };
    let rules = group.ip_permissions().iter().filter(is_ssh);
    let networks = rules.flat_map(|rule| {
        let v4 = rule.ip_ranges().iter().filter_map(IpRange::cidr_ip);
        v4.chain(rule.ipv6_ranges().iter().filter_map(Ipv6Range::cidr_ipv6))
    });
    networks.filter_map(|text| text.parse().ok()).collect()
}

fn permission(network: &Cidr) -> IpPermission {
    let rule = IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(SSH)
        .to_port(SSH);
    let rule = match network.is_ipv6() {
        true => rule.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(network.to_string()).build()),
        false => rule.ip_ranges(IpRange::builder().cidr_ip(network.to_string()).build()),
    };
    rule.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_group_lets_in_to_ssh_is_read_from_its_rules() {
        let network: Cidr = "192.0.2.0/24".parse().unwrap();
        let six: Cidr = "2001:db8::/64".parse().unwrap();
        let web = IpPermission::builder()
            .ip_protocol("tcp")
            .from_port(80)
            .to_port(443);
        let elsewhere = IpRange::builder().cidr_ip("0.0.0.0/0").build();
        let group = SecurityGroup::builder()
            .ip_permissions(permission(&network))
            .ip_permissions(permission(&six))
            .ip_permissions(web.ip_ranges(elsewhere).build())
            .build();
        assert_eq!(open(&group), BTreeSet::from([network, six]));
    }
}
