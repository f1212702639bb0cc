//! Gives environments their places: gathers what [`super::place`] needs to decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::closed;
use super::observe::Inventories;
use super::place::{Room, Roots, choose};
use super::prefer::Ranked;
use super::tick::Tick;
use super::view::Viewer;
use crate::manifest::{Catalog, Places};
use crate::model::{EnvName, Intent, Memos, OwnerName, Placed, ProviderName, Timestamp};

impl Viewer {
    /// The places of environments that may have one of several, one after the other, so that no two
    /// that live nowhere yet are given the same room.
    pub(super) async fn placed(
        &self,
        deciding: &BTreeMap<EnvName, Arc<Catalog>>,
        owner: &OwnerName,
        inventories: &Inventories,
        at: Timestamp,
    ) -> BTreeMap<EnvName, Placed> {
        let mut placed = BTreeMap::new();
        let declared = deciding.iter();
        let all: Vec<(&EnvName, &Catalog, &Places)> = declared
            .filter_map(|(env, catalog)| Some((env, &**catalog, catalog.places(env)?)))
            .collect();
        if !all.iter().any(|(_, _, places)| places.are_several()) {
            return placed;
        }
        let made = inventories.with_machine(owner);
        let mut room = Room::of(inventories, owner);
        for (env, catalog, places) in all {
            let is_new = !made.contains(env);
            if !places.are_several() {
                if is_new {
                    room.take(places.at(None));
                }
                continue;
            }
            // What cannot be read now is asked for again when the environment itself is looked at.
            let memos = self.notes.memos(env).await.unwrap_or_default();
            let intents = self.notes.intents(env).await.unwrap_or_default();
            let roots = self.roots(inventories, (owner, env), &intents, &memos);
            let places = closed::open(places, &catalog.providers, &roots);
            let ranked = Ranked::new(&places, &catalog.providers);
            let choice = choose(&ranked, &roots, memos.placing.as_ref(), &room, at);
            if choice.unplaced.is_none() && is_new {
                room.take(places.at(Some(&choice.at)));
            }
            placed.insert(env.clone(), choice);
        }
        placed
    }

    /// The place of one environment; `None` when only one is declared.
    pub(super) fn place(
        &self,
        tick: &Tick,
        catalog: &Catalog,
        env: &EnvName,
        roots: &Roots,
        memos: &Memos,
    ) -> Option<Placed> {
        let places = catalog.places(env).filter(|places| places.are_several())?;
        if tick.has_decided(env, catalog)
            && let Some(placed) = tick.placed.get(env)
        {
            return Some(placed.clone());
        }
        let room = Room::of(&tick.inventories, catalog.owner()?);
        let placing = memos.placing.as_ref();
        let places = closed::open(places, &catalog.providers, roots);
        let ranked = Ranked::new(&places, &catalog.providers);
        Some(choose(&ranked, roots, placing, &room, tick.at))
    }

    /// Where an environment lives or may live.
    pub(super) fn roots(
        &self,
        inventories: &Inventories,
        (owner, env): (&OwnerName, &EnvName),
        intents: &[Intent],
        memos: &Memos,
    ) -> Roots {
        let hidden: BTreeSet<ProviderName> = inventories
            .iter()
            .filter(|inventory| !inventory.gaps.is_empty())
            .map(|inventory| inventory.provider.clone())
            .collect();
        let empty = self.library.empty_when_seen(&hidden, owner, env);
        let placing = memos.placing.as_ref();
        Roots::of(inventories, (owner, env), intents, placing, &empty)
    }
}
