//! Where the machine of an environment is made, and what that place makes of what is asked.

use super::super::finding::{Findings, meant};
use super::super::load::{Declared, Tables};
use super::super::schema::{
    CloudImage, CloudSpec, CredentialSource, HostSpec, Market as Asked, Reach,
};
use super::super::yaml::Fault;
use super::{Machine, Resolver};
use crate::model::text::mib;
use crate::model::{
    Boot, ImageName, ImageOrigin, ImageSpec, Market, ProviderName, RegisteredImage,
};

/// Clouds count volumes in GiB.
const GIB: u64 = 1024;

/// A host or a cloud by its name.
pub(super) struct Place<'a> {
    pub name: &'a ProviderName,
    /// `None`: it is a cloud.
    pub host: Option<&'a Declared<HostSpec>>,
    /// `None`: it is a host.
    pub cloud: Option<&'a Declared<CloudSpec>>,
}

/// Says what is wrong with clouds beyond their shape.
pub(super) fn look_at_clouds(tables: &Tables, findings: &mut Findings) {
    for cloud in tables.clouds.values() {
        let mut say = |at: &[&str], code, message: &str, help: &str| {
            let fault = Fault {
                mark: cloud.node.nearest(at).mark,
                code,
                message: message.to_owned(),
                help: Some(help.to_owned()),
            };
            findings.error(&cloud.path, cloud.unit, fault);
        };
        let Some(CloudSpec {
            credentials,
            network,
            tags,
            ..
        }) = &cloud.spec
        else {
            continue;
        };
        if credentials.profile.is_some() && credentials.from != CredentialSource::Profile {
            say(
                &["spec", "credentials", "profile"],
                "unused-profile",
                "this profile is not used",
                "write `from: profile` beside it",
            );
        }
        for tag in tags.keys().filter(|tag| is_taken(tag)) {
            say(
                &["spec", "tags", tag],
                "taken-tag",
                "this tag is written by Metrom or by the cloud itself",
                "choose another name for it",
            );
        }
        if network.bastion.is_some() && network.reach != Reach::Private {
            say(
                &["spec", "network", "bastion"],
                "unused-bastion",
                "machines with public addresses are reached without a bastion",
                "write `reach: private` beside it",
            );
        }
        if network.security_groups.is_empty() && network.ssh_from.is_empty() {
            say(
                &["spec", "network"],
                "unreachable-network",
                "no machine could be reached in this network",
                "name the network that Metrom comes from in `sshFrom`, or your own `securityGroups`",
            );
        }
    }
}

fn is_taken(tag: &str) -> bool {
    tag == "Name" || tag.starts_with("metrom:") || tag.starts_with("aws:")
}

impl<'a> Resolver<'a, '_> {
    /// The host or cloud of that name; `at` is where it is named in the document.
    pub(super) fn named(&mut self, named: &ProviderName, at: &[&str]) -> Option<Place<'a>> {
        let (hosts, clouds) = (&self.tables.hosts, &self.tables.clouds);
        let names = || hosts.keys().chain(clouds.keys());
        let Some(name) = names().find(|name| *name == named) else {
            let message = format!("no host or cloud is called `{named}`");
            let help = meant(named.as_str(), names().map(ProviderName::as_str));
            return self.fault(at, "unknown-provider", message, help);
        };
        let (host, cloud) = (hosts.get(name), clouds.get(name));
        self.depends.extend(host.map(|host| host.unit));
        self.depends.extend(cloud.map(|cloud| cloud.unit));
        // Where both are called so, that is what is said.
        let cloud = cloud.filter(|_| host.is_none());
        Some(Place { name, host, cloud })
    }

    /// The only host or cloud that there is.
    pub(super) fn only_one(&mut self) -> Option<Place<'a>> {
        let (hosts, clouds) = (&self.tables.hosts, &self.tables.clouds);
        let known: Vec<&ProviderName> = hosts.keys().chain(clouds.keys()).collect();
        if let [only] = known.as_slice() {
            return self.named(only, &["spec"]);
        }
        let message = "no host or cloud is named for this environment".to_owned();
        let help = match known.as_slice() {
            [] => "declare one: a document of `kind: Host` or `kind: Cloud`".to_owned(),
            known => format!(
                "write `placement: {}`, or set `defaults.placement` in `metrom.yaml`",
                known[0]
            ),
        };
        let at = ["spec", "placement"];
        self.fault(&at, "no-placement", message, Some(help))
    }

    /// The image that a cloud has under a name of ours.
    pub(super) fn cloud_image(
        &mut self,
        place: &Place<'_>,
        cloud: &CloudSpec,
        named: Option<&ImageName>,
    ) -> Option<ImageSpec> {
        let at = ["spec", "machine", "image"];
        let place = place.name;
        let known: Vec<&str> = cloud.images.keys().map(ImageName::as_str).collect();
        let only = || (cloud.images.len() == 1).then(|| cloud.images.keys().next())?;
        let Some(name) = named.or_else(only) else {
            let message = "no image is named for the machine of this environment".to_owned();
            let help = match known.as_slice() {
                [] => format!("add one to `images` of the cloud `{place}`"),
                known => format!("write `image: {}` in `machine`", known[0]),
            };
            return self.fault(&at, "no-image", message, Some(help));
        };
        let Some(image) = cloud.images.get(name) else {
            let message = format!("the cloud `{place}` does not say what `{name}` is there");
            let help = meant(name.as_str(), known)
                .unwrap_or_else(|| format!("add `{name}` to its `images`"));
            return self.fault(&at, "unknown-image", message, Some(help));
        };
        Some(ImageSpec {
            name: name.clone(),
            origin: ImageOrigin::Registered(registered(image)?),
            boot: Boot::Disk,
        })
    }

    /// AWS protects no machine that it may take back itself.
    pub(super) fn market(&mut self, declared: Option<Asked>, is_protected: bool) -> Option<Market> {
        let market = match declared {
            None | Some(Asked::OnDemand) => Market::OnDemand,
            Some(Asked::Spot) => Market::Spot,
            Some(Asked::SpotOnly) => Market::SpotOnly,
        };
        if market == Market::OnDemand || !is_protected {
            return Some(market);
        }
        let message =
            "a protected environment has no spot machine: the cloud may end that".to_owned();
        let help = Some("write `market: onDemand` in `machine`, or take `protect` off".to_owned());
        self.fault(&["spec", "protect"], "protected-spot", message, help)
    }

    /// The machine as the cloud makes it: of a type that it has, with volumes of whole GiB.
    pub(super) fn sized(
        &mut self,
        place: &Place<'_>,
        cloud: &CloudSpec,
        machine: Machine,
    ) -> Option<Machine> {
        let fits = cloud
            .types
            .iter()
            .find(|known| known.cpus >= machine.cpus && known.memory.mib() >= machine.memory_mib);
        let Some(fits) = fits else {
            let message = format!(
                "no type of the cloud `{}` has {} cpus and {} of memory",
                place.name,
                machine.cpus,
                mib(machine.memory_mib)
            );
            let help = Some("ask for less, or add a larger one to its `types`".to_owned());
            return self.fault(&["spec", "machine"], "no-type", message, help);
        };
        Some(Machine {
            cpus: fits.cpus,
            memory_mib: fits.memory.mib(),
            disk_mib: machine.disk_mib.next_multiple_of(GIB),
            data_mib: machine.data_mib.next_multiple_of(GIB),
            ..machine
        })
    }
}

fn registered(image: &CloudImage) -> Option<RegisteredImage> {
    let CloudImage {
        id,
        parameter,
        owner,
        name,
    } = image;
    match (id, parameter, owner, name) {
        (Some(id), None, None, None) => Some(RegisteredImage::Id(id.clone())),
        (None, Some(name), None, None) => Some(RegisteredImage::Parameter(name.clone())),
        (None, None, Some(owner), Some(name)) => Some(RegisteredImage::Newest {
            owner: owner.clone(),
            name: name.clone(),
        }),
        (_, _, _, _) => None,
    }
}
