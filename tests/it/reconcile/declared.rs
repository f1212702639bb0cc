//! What random worlds declare about time and updates, and how it is read again.

use std::time::Duration;

use metrom::schedule::OfficeHours;
use metrom::world::declare::Environment;
use rand::Rng;
use rand::rngs::StdRng;

/// Office hours, a lifetime, both or neither; the worlds live from eight in the morning on.
pub fn timing(rng: &mut StdRng) -> Vec<String> {
    let hours = [
        "daily 07:00-08:20 UTC",
        "daily 08:30-22:00 UTC",
        "Sat 00:00-24:00 UTC",
    ];
    let hours = hours[rng.random_range(0..3)];
    let minutes = rng.random_range(1..60);
    let hours = rng
        .random_bool(0.6)
        .then(|| format!("officeHours: {hours}"));
    let lifetime = rng
        .random_bool(0.4)
        .then(|| format!("lifetime: {minutes}m"));
    let update = rng.random_bool(0.5).then(|| update(rng));
    hours.into_iter().chain(lifetime).chain(update).collect()
}

/// New machines are tried beside the old ones.
pub fn update(rng: &mut StdRng) -> String {
    let stack = ["in-place", "phoenix"][rng.random_range(0..2)];
    let every = ["", ", every: 1h"][rng.random_range(0..2)];
    format!("update: {{machine: phoenix, stack: {stack}{every}}}")
}

pub fn is_reborn(environment: &Environment) -> bool {
    field(environment, "update: ").is_some()
}

fn field<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment
        .fields
        .iter()
        .find_map(|field| field.strip_prefix(name))
}

pub fn hours(environment: &Environment) -> Option<OfficeHours> {
    Some(field(environment, "officeHours: ")?.parse().unwrap())
}

pub fn lifetime(environment: &Environment) -> Option<Duration> {
    let minutes = field(environment, "lifetime: ")?.strip_suffix('m')?;
    Some(Duration::from_secs(60 * minutes.parse::<u64>().unwrap()))
}
