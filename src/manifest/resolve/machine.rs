//! The machine of an environment: where it is made, of which image, and how large.

use super::super::finding::meant;
use super::super::schema::{CloudSpec, EnvironmentSpec, MachineShape, RepositorySpec};
use super::place::Place;
use super::placement::Places;
use super::{Machine, Resolver};
use crate::model::text::mib;
use crate::model::{ImageName, ImageOrigin, ImageSpec, Market};

impl<'a> Resolver<'a, '_> {
    /// What the machine comes to at each place where it may be; `None` when a place or an image is
    /// missing.
    pub(super) fn machines(
        &mut self,
        spec: &EnvironmentSpec,
        template: Option<&MachineShape>,
        repository: Option<&RepositorySpec>,
    ) -> Option<Places> {
        let none = MachineShape::default();
        let defaults = repository.map(|repository| &repository.defaults);
        let shape = spec
            .machine
            .or(template.unwrap_or(&none))
            .or(defaults.map_or(&none, |defaults| &defaults.machine))
            .or(&MachineShape::BUILT_IN);
        let of_defaults = defaults.and_then(|defaults| defaults.placement.as_ref());
        let placing = self.placing(spec, spec.placement.as_ref().or(of_defaults));
        // The template may yet name an image: without it, nothing can be said of a missing one.
        let is_known = spec.template.is_none() || template.is_some();
        let is_host = |place: &Place<'_>| place.cloud.is_none();
        let has_host = placing
            .as_ref()
            .is_none_or(|p| p.places.iter().any(is_host));
        let of_hosts = match has_host {
            true => self.image(shape.image.as_ref(), is_known),
            false => None,
        };
        let is_cloud = |place: &Place<'_>| place.cloud.is_some();
        let has_cloud = placing
            .as_ref()
            .is_some_and(|p| p.places.iter().any(is_cloud));
        let market = match has_cloud {
            true => self.market(shape.market, spec.protect),
            false => Some(Market::OnDemand),
        };
        let placing = placing?;
        let places = placing.places.iter();
        let machines: Vec<Option<Machine>> = places
            .map(|place| match place.cloud {
                Some(cloud) => {
                    let machine = self.in_cloud(place, cloud.spec.as_ref()?, &shape, is_known)?;
                    let market = market?;
                    Some(Machine { market, ..machine })
                }
                None => {
                    let machine = sized_as_asked(place, &shape, of_hosts.clone()?)?;
                    self.is_roomy(&machine).then_some(machine)
                }
            })
            .collect();
        let machines = machines.into_iter().collect::<Option<_>>()?;
        Some(placing.with(machines))
    }

    fn in_cloud(
        &mut self,
        place: &Place<'_>,
        cloud: &CloudSpec,
        shape: &MachineShape,
        is_known: bool,
    ) -> Option<Machine> {
        let image = match is_known {
            true => self.cloud_image(place, cloud, shape.image.as_ref())?,
            false => return None,
        };
        self.sized(place, cloud, sized_as_asked(place, shape, image)?)
    }

    fn image(&mut self, named: Option<&ImageName>, is_known: bool) -> Option<ImageSpec> {
        let documents = &self.tables.images;
        let at = ["spec", "machine", "image"];
        let known: Vec<&str> = documents.keys().map(ImageName::as_str).collect();
        let (name, document) = match (named, documents.len()) {
            (Some(name), _) => match documents.get(name) {
                Some(document) => (name, document),
                None => {
                    let message = format!("image `{name}` is not defined");
                    let help = meant(name.as_str(), known);
                    return self.fault(&at, "unknown-image", message, help);
                }
            },
            (None, 1) => documents.iter().next()?,
            (None, _) if !is_known => return None,
            (None, _) => {
                let message = "no image is named for the machine of this environment".to_owned();
                let help = match known.as_slice() {
                    [] => "declare one: a document of `kind: Image`".to_owned(),
                    known => format!(
                        "write `image: {}` in `machine`, here or in the defaults of `metrom.yaml`",
                        known[0]
                    ),
                };
                return self.fault(&at, "no-image", message, Some(help));
            }
        };
        self.depends.insert(document.unit);
        self.images.get(name).cloned()
    }

    /// A disk smaller than what is cloned onto it cannot be made.
    fn is_roomy(&mut self, machine: &Machine) -> bool {
        let ImageOrigin::Build(recipe) = &machine.image.origin else {
            return true;
        };
        if machine.disk_mib >= recipe.size_mib {
            return true;
        }
        let needed = mib(recipe.size_mib);
        let message = format!(
            "a disk of {} is smaller than the image `{}`, which needs {needed}",
            mib(machine.disk_mib),
            machine.image.name
        );
        let help = Some(format!("write `disk: {}` or more", needed.replace(' ', "")));
        self.say(&["spec", "machine", "disk"], "small-disk", message, help);
        false
    }
}

fn sized_as_asked(place: &Place<'_>, shape: &MachineShape, image: ImageSpec) -> Option<Machine> {
    Some(Machine {
        provider: place.name.clone(),
        image,
        cpus: shape.cpus?,
        memory_mib: shape.memory?.mib(),
        disk_mib: shape.disk?.mib(),
        data_mib: shape.data?.mib(),
        market: Market::OnDemand,
    })
}
