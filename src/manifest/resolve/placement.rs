//! The places among which an environment is placed, and what it comes to at each.

use std::collections::{BTreeMap, BTreeSet};

use super::super::schema::{
    EnvironmentSpec, Only, Place as Declared, PlaceData, PlaceState, Placement, Prefer, StatedPlace,
};
use super::super::yaml::Fault;
use super::place::Place;
use super::{Machine, Resolver, price};
use crate::model::{Currency, Elsewhere, ProviderName};

/// Where an environment may be, and what is to be of it at other places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// What it comes to at each place where it may be, in the order in which they are named; never
    /// empty.
    pub machines: Vec<Machine>,
    pub prefer: Prefer,
    /// Places that are named and do not take it, and why.
    pub barred: Vec<(ProviderName, String)>,
    /// What is to be of it at places where it is not to run.
    pub elsewhere: BTreeMap<ProviderName, Elsewhere>,
    /// It has data of its own at the place where it is to run, whatever it has elsewhere.
    pub has_own_data: bool,
    /// It is to run nowhere.
    pub is_stopped: bool,
}

impl Places {
    /// What it comes to at that place, or at the first one.
    #[must_use]
    pub fn at(&self, place: Option<&ProviderName>) -> &Machine {
        let chosen = self
            .machines
            .iter()
            .find(|machine| Some(&machine.provider) == place);
        chosen.unwrap_or(&self.machines[0])
    }

    /// As it is written, for people: `lab, far (by price)`, `far running, lab stopped`.
    pub(in super::super) fn told(&self) -> String {
        let state = |is_stopped| if is_stopped { "stopped" } else { "running" };
        let has_states = !self.elsewhere.is_empty() || self.is_stopped;
        let here = self.machines.iter().map(|machine| match has_states {
            true => format!("{} {}", machine.provider, state(self.is_stopped)),
            false => machine.provider.to_string(),
        });
        let elsewhere = self.elsewhere.iter().map(|(place, there)| match there {
            Elsewhere::Stopped => format!("{place} stopped"),
            Elsewhere::Absent => format!("{place} absent"),
        });
        let mut told = here.chain(elsewhere).collect::<Vec<_>>().join(", ");
        if self.prefer == Prefer::Price {
            told.push_str(" (by price)");
        }
        if self.has_own_data {
            told.push_str(" (data of its own)");
        }
        told
    }

    /// Whether there is more to say of it than where its machine is.
    pub(in super::super) fn are_worth_telling(&self) -> bool {
        self.machines.len() > 1 || !self.elsewhere.is_empty() || self.is_stopped
    }

    /// Whether more than one is named.
    #[must_use]
    pub fn are_several(&self) -> bool {
        self.machines.len() + self.barred.len() > 1
    }
}

/// The places that are named, with where they are named in the document.
struct Named<'a> {
    places: Vec<(&'a ProviderName, Vec<String>)>,
    prefer: Prefer,
    states: Vec<&'a StatedPlace>,
}

/// The places where it may be, before it is known what it comes to there.
pub(super) struct Placing<'a> {
    pub places: Vec<Place<'a>>,
    prefer: Prefer,
    barred: Vec<(ProviderName, String)>,
    elsewhere: BTreeMap<ProviderName, Elsewhere>,
    has_own_data: bool,
    is_stopped: bool,
}

impl Placing<'_> {
    /// With what it comes to at each of them.
    pub(super) fn with(self, machines: Vec<Machine>) -> Places {
        Places {
            machines,
            prefer: self.prefer,
            barred: self.barred,
            elsewhere: self.elsewhere,
            has_own_data: self.has_own_data,
            is_stopped: self.is_stopped,
        }
    }
}

impl<'a> Resolver<'a, '_> {
    /// Every place where it may be that takes it.
    pub(super) fn placing(
        &mut self,
        spec: &EnvironmentSpec,
        placement: Option<&Placement>,
    ) -> Option<Placing<'a>> {
        let Some(placement) = placement else {
            let place = self.only_one()?;
            self.is_taken(spec, &place, &["spec", "placement"])?;
            return Some(Placing {
                places: vec![place],
                prefer: Prefer::Order,
                barred: Vec::new(),
                elsewhere: BTreeMap::new(),
                has_own_data: false,
                is_stopped: false,
            });
        };
        let named = self.named_places(placement)?;
        let is_only = named.places.len() == 1;
        let (mut places, mut reasons) = (Vec::new(), Vec::new());
        for (name, at) in &named.places {
            let at: Vec<&str> = at.iter().map(String::as_str).collect();
            let place = self.named(name, &at);
            match place.as_ref().and_then(|place| barred(spec, place)) {
                Some(_) if is_only => self.is_taken(spec, place.as_ref()?, &at)?,
                Some(reason) => reasons.push(((*name).clone(), reason)),
                None => places.push(place),
            }
        }
        if places.is_empty() {
            let reasons: Vec<String> = reasons.into_iter().map(|(_, why)| why).collect();
            let message = format!("no place takes this environment: {}", reasons.join("; "));
            let help = "name another place, or change `only` of one of these".to_owned();
            return self.fault(&["spec", "placement"], "not-taken", message, Some(help));
        }
        let places = places.into_iter().collect::<Option<Vec<_>>>()?;
        if named.prefer == Prefer::Price {
            self.warn_of_currencies(&places);
        }
        Some(Placing {
            prefer: named.prefer,
            elsewhere: named.elsewhere(),
            has_own_data: named.has_own_data(),
            is_stopped: named.is_stopped(),
            barred: reasons,
            places,
        })
    }

    /// Refuses the only place that is named, when it does not take this environment.
    fn is_taken(&mut self, spec: &EnvironmentSpec, place: &Place<'_>, at: &[&str]) -> Option<()> {
        let Some(reason) = barred(spec, place) else {
            return Some(());
        };
        let help = "name another place, or change its `only`".to_owned();
        self.fault(at, "not-taken", reason, Some(help))
    }

    /// Prices of different currencies say nothing of which is the lowest.
    fn warn_of_currencies(&mut self, places: &[Place<'_>]) {
        let currencies: BTreeSet<Currency> = places.iter().flat_map(price::currencies).collect();
        if currencies.len() < 2 {
            return;
        }
        let message = format!(
            "prices in {} cannot be compared; the first place with room is taken",
            price::listed(&currencies)
        );
        let fault = Fault {
            mark: self
                .document
                .node
                .nearest(&["spec", "placement", "prefer"])
                .mark,
            code: "uncompared-prices",
            message,
            help: Some("write the prices of these places in one currency".to_owned()),
        };
        self.findings
            .warning(&self.document.path, self.document.unit, fault);
    }

    fn named_places<'p>(&mut self, placement: &'p Placement) -> Option<Named<'p>> {
        let at = |rest: &[&str]| {
            let path = ["spec", "placement"].iter().chain(rest);
            path.map(ToString::to_string).collect::<Vec<_>>()
        };
        let (places, prefer) = match placement {
            Placement::At(name) => (vec![(name, at(&[]))], Prefer::Order),
            Placement::Chosen(chosen) => {
                let among = chosen.among.iter().enumerate();
                let places = among.map(|(i, name)| (name, at(&["among", &i.to_string()])));
                (places.collect(), chosen.prefer)
            }
            Placement::Among(places) => return self.listed(places),
        };
        let states = Vec::new();
        Some(Named {
            places,
            prefer,
            states,
        })
    }

    /// A list: either of names, or of places that each have a state.
    fn listed<'p>(&mut self, list: &'p [Declared]) -> Option<Named<'p>> {
        let mut named = Named {
            places: Vec::new(),
            prefer: Prefer::Order,
            states: Vec::new(),
        };
        for (i, place) in list.iter().enumerate() {
            let index = i.to_string();
            let at = vec!["spec".to_owned(), "placement".to_owned(), index.clone()];
            let name = match place {
                Declared::Named(name) => name,
                Declared::Stated(stated) => {
                    named.states.push(stated);
                    &stated.name
                }
            };
            if named.places.iter().any(|(other, _)| *other == name) {
                let message = format!("`{name}` is there twice");
                let at = ["spec", "placement", &index];
                let help = Some("remove one of them".to_owned());
                return self.fault(&at, "duplicate-item", message, help);
            }
            named.places.push((name, at));
        }
        let at = ["spec", "placement"];
        if named.places.is_empty() {
            let message = "`spec.placement` must not be empty".to_owned();
            return self.fault(&at, "bad-value", message, None);
        }
        if named.states.is_empty() {
            return Some(named);
        }
        if named.states.len() < list.len() {
            let message = "some places have a `state` and some have none".to_owned();
            let help = "write one for each place, or for none".to_owned();
            return self.fault(&at, "mixed-placement", message, Some(help));
        }
        let mut running = named
            .states
            .iter()
            .filter(|place| place.state == PlaceState::Running);
        let (first, second) = (running.next(), running.next());
        if let (Some(first), Some(second)) = (first, second) {
            let message = format!("it is to run on `{}` and on `{}`", first.name, second.name);
            let help = "an environment has one machine: write `state: stopped` or `state: absent` \
                        for all places but one";
            return self.fault(&at, "runs-twice", message, Some(help.to_owned()));
        }
        let home = named.states.first()?;
        if first.is_none() && home.state == PlaceState::Absent {
            let message =
                "it is to run nowhere, and is not to be kept at its home either".to_owned();
            let help = format!(
                "write `state: stopped` for `{}`, or remove the environment",
                home.name
            );
            return self.fault(&at, "runs-nowhere", message, Some(help));
        }
        named.reduce_to_one();
        Some(named)
    }
}

impl Named<'_> {
    /// Of places with a state, the one where it is, is the only one where it may be: where it runs, or
    /// else its home.
    fn reduce_to_one(&mut self) {
        let is_running = |place: &&StatedPlace| place.state == PlaceState::Running;
        let at = self.states.iter().position(is_running).unwrap_or(0);
        self.places.swap(0, at);
        self.places.truncate(1);
    }

    fn target(&self) -> Option<&StatedPlace> {
        let (target, _) = self.places.first()?;
        self.states
            .iter()
            .copied()
            .find(|place| place.name == **target)
    }

    fn elsewhere(&self) -> BTreeMap<ProviderName, Elsewhere> {
        let target = self.target();
        let others = self.states.iter().filter(|place| Some(**place) != target);
        let states = others.map(|place| {
            let state = match place.state {
                PlaceState::Running | PlaceState::Stopped => Elsewhere::Stopped,
                PlaceState::Absent => Elsewhere::Absent,
            };
            (place.name.clone(), state)
        });
        states.collect()
    }

    fn has_own_data(&self) -> bool {
        self.target()
            .is_some_and(|place| place.data == PlaceData::Own)
    }

    fn is_stopped(&self) -> bool {
        let target = self.target();
        target.is_some_and(|place| place.state != PlaceState::Running)
    }
}

/// Why a place does not take an environment.
fn barred(spec: &EnvironmentSpec, place: &Place<'_>) -> Option<String> {
    let of_host = place
        .host
        .and_then(|host| host.spec.as_ref()?.only.as_ref());
    let of_cloud = place
        .cloud
        .and_then(|cloud| cloud.spec.as_ref()?.only.as_ref());
    let Only { projects, purposes } = of_host.or(of_cloud)?;
    let name = place.name;
    if !projects.is_empty() && !spec.project.as_ref().is_some_and(|p| projects.contains(p)) {
        let projects: Vec<&str> = projects.iter().map(|project| project.as_str()).collect();
        return Some(format!(
            "`{name}` takes only environments of the project {}",
            projects.join(" or ")
        ));
    }
    if !purposes.is_empty() && !spec.purpose.as_ref().is_some_and(|p| purposes.contains(p)) {
        let purposes: Vec<&str> = purposes.iter().map(String::as_str).collect();
        return Some(format!(
            "`{name}` takes only environments for the purpose {}",
            purposes.join(" or ")
        ));
    }
    None
}
