//! The launch itself: one call, after which there is a machine with our mark, or there is none.

use std::collections::BTreeMap;

use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, InstanceInterruptionBehavior,
    InstanceMarketOptionsRequest, InstanceMetadataEndpointState, InstanceMetadataOptionsRequest,
    InstanceNetworkInterfaceSpecification, InstanceType, MarketType, ResourceType,
    SpotInstanceType, SpotMarketOptions, VolumeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::attach::devices;
use super::config::Reach;
use super::create::Order;
use super::doubt::Doubt;
use super::fault::{Fault, MISMATCH};
use super::image::Ami;
use super::link::{Link, tagged};
use super::machine::{fallen, list, show};
use super::network::Site;
use super::offer::Offer;
use super::seen::Machine;
use super::tag::{self, MARKET, Mark, NAME, OWNER, PART, TOKEN, Tags};
use super::volume::{GENERATIONS, gib};
use super::wait::{SHOWN, until, within};
use crate::model::{Key, LiveId, Token};
use crate::port::{Seed, SeedRequest};

/// What EC2 takes of user data.
const MOST_USER_DATA: usize = 16 << 10;

/// A machine with everything that was found out for it.
pub struct Launch<'a> {
    pub order: &'a Order<'a>,
    pub ami: &'a Ami,
    pub offer: Offer<'a>,
    /// Of this offer alone.
    pub token: Token,
    pub disk_gib: i32,
    pub site: &'a Site,
    pub groups: Vec<String>,
}

/// Launches the machine, once for one token, and waits until it is shown.
///
/// # Errors
/// When it ended at once: why it did, as far as EC2 says.
pub async fn launch(link: &Link, wanted: &Launch<'_>) -> Result<LiveId, Fault> {
    let scratch = scratch(wanted)?;
    let mut last = None;
    for generation in 0..GENERATIONS {
        let token = tag::client_token(&wanted.token, generation);
        let machine = ask(link, wanted, &scratch, &token).await?;
        if !machine.is_gone() {
            return Ok(machine.id);
        }
        // It may be one of an earlier attempt, which has ended since.
        last = Some(machine);
    }
    Err(last.map_or_else(|| Fault::Moved("the machine".to_owned()), fallen))
}

/// The machine of that token: the one that was made with it before, or a new one.
async fn ask(
    link: &Link,
    wanted: &Launch<'_>,
    scratch: &BTreeMap<String, String>,
    token: &str,
) -> Result<Machine, Fault> {
    let seed = seed(wanted, token)?;
    let tags = tags(link, wanted, scratch, &seed, token)?;
    let request = request(link, wanted, scratch, &tags)?;
    let request = request
        .user_data(STANDARD.encode(&seed.user_data))
        .client_token(token);
    let doubt = Doubt::default();
    let launched = request.customize().interceptor(doubt.clone()).send().await;
    match launched.map_err(|error| doubt.judge(error)) {
        Ok(launched) => match launched.instances().iter().find_map(Machine::of) {
            Some(machine) => shown(link, machine).await.map_err(Fault::once_begun),
            None => Err(Fault::Lost("EC2 answered without a machine".to_owned())),
        },
        // An earlier attempt made it, with a host key that only its tags know.
        Err(fault) if fault.is(&[MISMATCH]) => {
            by_token(link, token).await.map_err(Fault::once_begun)
        }
        Err(fault) => Err(fault),
    }
}

/// The machine as it is by now: the answer to a token is always that of the first time.
async fn shown(link: &Link, machine: Machine) -> Result<Machine, Fault> {
    let seen = within(SHOWN, || show(link, &machine.id)).await?;
    Ok(seen.unwrap_or(machine))
}

/// What an earlier attempt made with the token, and did not hear of.
async fn by_token(link: &Link, token: &str) -> Result<Machine, Fault> {
    let late = "the machine of an earlier attempt was not shown";
    until(SHOWN, late, || async {
        let made = list(link, vec![tagged(TOKEN, token)]).await?;
        Ok(made.into_iter().min_by_key(Machine::is_gone))
    })
    .await
}

fn seed(wanted: &Launch<'_>, token: &str) -> Result<Seed, Fault> {
    let stamp = wanted.order.stamp;
    let seed = wanted.order.seeds.make(&SeedRequest {
        owner: stamp.owner.clone(),
        env: stamp.env.clone(),
        hostname: stamp.env.to_string(),
        instance: token.to_owned(),
        mac: None,
        volumes: BTreeMap::new(),
    });
    let seed = seed.map_err(|error| Fault::Refused(error.to_string()))?;
    match seed.user_data.len() {
        size if size > MOST_USER_DATA => Err(Fault::Refused(format!(
            "its user data have {size} bytes, and EC2 takes {MOST_USER_DATA}"
        ))),
        _ => Ok(seed),
    }
}

/// The names of the devices of the disks that it has in place of data volumes.
fn scratch(wanted: &Launch<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let scratch = wanted.order.beside.map(|beside| &beside.scratch);
    let names = scratch.into_iter().flatten().map(|(name, _)| name.clone());
    let free = devices().filter(|device| *device != wanted.ami.root);
    let most = free.count();
    if names.clone().count() + wanted.order.volumes.len() > most {
        let reason = format!("a machine takes at most {most} data volumes");
        return Err(Fault::Refused(reason));
    }
    let free = devices().filter(|device| *device != wanted.ami.root);
    Ok(names.zip(free).collect())
}

/// The tags of the machine, and those of the disks that go with it.
struct Tagged {
    machine: Tags,
    /// Of what would launch it again.
    request: Tags,
    disks: Tags,
}

fn tags(
    link: &Link,
    wanted: &Launch<'_>,
    scratch: &BTreeMap<String, String>,
    seed: &Seed,
    token: &str,
) -> Result<Tagged, Fault> {
    let stamp = wanted.order.stamp;
    let mark = Mark {
        stamp: stamp.clone(),
        image: wanted.order.spec.image.id(),
        host_key: seed.host_key_public.trim().to_owned(),
        ready: None,
        scratch: scratch.clone(),
        is_begun: !wanted.order.volumes.is_empty(),
        is_protected: wanted.order.spec.is_protected,
    };
    let mut machine = mark.tags();
    machine.insert(TOKEN.to_owned(), token.to_owned());
    let market = if wanted.offer.is_spot {
        "spot"
    } else {
        "on-demand"
    };
    machine.insert(MARKET.to_owned(), market.to_owned());
    let disks = tag::tags([
        (NAME, tag::name(&stamp.env)),
        (OWNER, stamp.owner.to_string()),
        (PART, Key::Machine.to_string()),
    ]);
    let complete = |tags| tag::complete(tags, &link.config.tags).map_err(Fault::Refused);
    Ok(Tagged {
        machine: complete(machine)?,
        request: complete(tag::of_stamp(stamp))?,
        disks: complete(disks)?,
    })
}

fn request(
    link: &Link,
    wanted: &Launch<'_>,
    scratch: &BTreeMap<String, String>,
    tags: &Tagged,
) -> Result<RunInstancesFluentBuilder, Fault> {
    let mut disks = vec![disk(&wanted.ami.root, wanted.disk_gib)];
    let sizes = wanted.order.beside.map(|beside| &beside.scratch);
    for (name, size_mib) in sizes.into_iter().flatten() {
        let size = gib(*size_mib)?;
        disks.extend(scratch.get(name).map(|device| disk(device, size)));
    }
    let specification = tag::specification;
    let request = link.ec2.run_instances();
    let request = match wanted.offer.is_spot {
        true => request
            .instance_market_options(spot())
            .tag_specifications(specification(
                ResourceType::SpotInstancesRequest,
                &tags.request,
            )),
        false => request,
    };
    Ok(request
        .min_count(1)
        .max_count(1)
        .image_id(&wanted.ami.id)
        .instance_type(InstanceType::from(wanted.offer.kind))
        .set_key_name(link.config.key_pair.clone())
        .metadata_options(metadata())
        .set_disable_api_termination(wanted.order.spec.is_protected.then_some(true))
        .network_interfaces(interface(link.config.reach, wanted))
        .set_block_device_mappings(Some(disks))
        .tag_specifications(tag::specification(ResourceType::Instance, &tags.machine))
        .tag_specifications(tag::specification(ResourceType::Volume, &tags.disks)))
}

/// A disk that goes with its machine.
fn disk(device: &str, size_gib: i32) -> BlockDeviceMapping {
    let ebs = EbsBlockDevice::builder()
        .volume_size(size_gib)
        .volume_type(VolumeType::Gp3)
        .encrypted(true)
        .delete_on_termination(true)
        .build();
    BlockDeviceMapping::builder()
        .device_name(device)
        .ebs(ebs)
        .build()
}

/// One that can be stopped, by us for the night and by EC2 when it needs the room; the request lasts as
/// long as the machine. It costs at most what it does on demand.
fn spot() -> InstanceMarketOptionsRequest {
    let options = SpotMarketOptions::builder()
        .spot_instance_type(SpotInstanceType::Persistent)
        .instance_interruption_behavior(InstanceInterruptionBehavior::Stop)
        .build();
    InstanceMarketOptionsRequest::builder()
        .market_type(MarketType::Spot)
        .spot_options(options)
        .build()
}

/// Only with a session's token, and not from within a container.
fn metadata() -> InstanceMetadataOptionsRequest {
    InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(HttpTokensState::Required)
        .http_put_response_hop_limit(1)
        .build()
}

fn interface(reach: Reach, wanted: &Launch<'_>) -> InstanceNetworkInterfaceSpecification {
    let interface = InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .subnet_id(&wanted.site.subnet)
        .set_groups(Some(wanted.groups.clone()))
        .delete_on_termination(true);
    match reach {
        Reach::Public => interface.associate_public_ip_address(true).build(),
        // Whether it has a public one as well is the subnet's affair.
        Reach::Private => interface.build(),
    }
}
