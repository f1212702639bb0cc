//! What things cost an hour on a provider, by its price list.

use super::sum::Sum;
use crate::manifest::schema::{CloudSpec, HostSpec, InstanceType, ProviderSpec, Reach};
use crate::model::{Money, ProviderName};

const SECONDS_OF_HOUR: u128 = 3600;
const MIB_OF_GIB: u128 = 1024;
/// Hours of a month for which a cloud quotes a GiB: 365 days, 24 hours, 12 months.
pub const HOURS_OF_MONTH: u128 = 730;

/// The type of volume that `volumeGibMonth` is the price of: those of Metrom.
const PRICED_VOLUME: &str = "gp3";

/// A machine as a provider shows it.
#[derive(Debug, Clone, Copy)]
pub struct SeenMachine<'a> {
    pub cpus: u32,
    pub memory_mib: u64,
    /// Of a cloud: the type that it is of, if that is told.
    pub type_name: Option<&'a str>,
}

/// What is asked of a provider: one machine with its disks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    pub cpus: u32,
    pub memory_mib: u64,
    /// The machine's own disk.
    pub disk_mib: u64,
    /// All data volumes.
    pub data_mib: u64,
}

/// What such a machine with its disks costs an hour there while it runs, so that places can be
/// compared; `None` when any of it has no price, or the cloud has no type for it.
#[must_use]
pub fn price_per_hour(name: &ProviderName, provider: &ProviderSpec, size: Size) -> Option<Money> {
    Tariff::asked(name, provider, size).hour().whole()
}

/// What a machine and its disks cost, by when they cost it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tariff {
    /// While the machine runs.
    pub running: Vec<Charge>,
    /// While there is a machine, on or off.
    pub disk: Vec<Charge>,
    /// While there are data volumes, with a machine or without.
    pub data: Vec<Charge>,
}

/// What one thing costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Or what to say of its absence.
    pub price: Result<Money, String>,
    /// How many of what the price is for: so many parts of so many.
    times: u128,
    parts: u128,
}

impl Charge {
    fn new(price: Option<Money>, missing: impl FnOnce() -> String, times: u128) -> Self {
        Self {
            price: price.ok_or_else(missing),
            times,
            parts: 1,
        }
    }

    fn of_parts(self, parts: u128) -> Self {
        Self { parts, ..self }
    }

    /// What it comes to in so many seconds.
    #[must_use]
    pub fn over(&self, seconds: u64) -> Sum {
        let mut sum = Sum::default();
        match &self.price {
            Ok(Money { currency, amount }) => {
                let times = self.times.saturating_mul(u128::from(seconds));
                let amount = amount.scaled(times, self.parts * SECONDS_OF_HOUR);
                sum.amounts.insert(*currency, amount);
            }
            Err(missing) => drop(sum.unpriced.insert(missing.clone())),
        }
        sum
    }
}

impl Tariff {
    /// Of a machine that is asked for: a cloud makes it as the first type with room for it.
    #[must_use]
    pub fn asked(name: &ProviderName, provider: &ProviderSpec, size: Size) -> Self {
        let has_room =
            |kind: &&InstanceType| kind.cpus >= size.cpus && kind.memory.mib() >= size.memory_mib;
        match provider {
            ProviderSpec::Host(host) => of_host(name, host, size),
            ProviderSpec::Cloud(cloud) => {
                let kind = cloud.types.iter().find(has_room);
                of_cloud(name, cloud, kind, size)
            }
        }
    }

    /// Of a machine that is there: in a cloud it is of the type that has just its size.
    #[must_use]
    pub fn live(name: &ProviderName, provider: &ProviderSpec, size: Size) -> Self {
        let is_it =
            |kind: &&InstanceType| kind.cpus == size.cpus && kind.memory.mib() == size.memory_mib;
        match provider {
            ProviderSpec::Host(host) => of_host(name, host, size),
            ProviderSpec::Cloud(cloud) => {
                let kind = cloud.types.iter().find(is_it);
                of_cloud(name, cloud, kind, size)
            }
        }
    }

    /// Of a machine that is there, without its data; `disk_mib` is `None` when nobody knows it.
    #[must_use]
    pub fn of_machine(
        name: &ProviderName,
        provider: &ProviderSpec,
        machine: SeenMachine<'_>,
        disk_mib: Option<u64>,
    ) -> Self {
        let size = Size {
            cpus: machine.cpus,
            memory_mib: machine.memory_mib,
            disk_mib: disk_mib.unwrap_or_default(),
            data_mib: 0,
        };
        let tariff = match (provider, machine.type_name) {
            (ProviderSpec::Cloud(cloud), Some(type_name)) => of_type(name, cloud, type_name, size),
            _ => Self::live(name, provider, size),
        };
        let tariff = Self {
            data: Vec::new(),
            ..tariff
        };
        match disk_mib {
            Some(_) => tariff,
            None => tariff.with_unknown_disk(),
        }
    }

    /// Of a volume, and of what type it is, where that is known.
    #[must_use]
    pub fn of_data(
        name: &ProviderName,
        provider: &ProviderSpec,
        data_mib: u64,
        type_name: Option<&str>,
    ) -> Self {
        let size = Size {
            data_mib,
            ..Size::default()
        };
        let another = type_name.filter(|kind| *kind != PRICED_VOLUME);
        let data = match (provider, another) {
            (ProviderSpec::Cloud(_), Some(kind)) => {
                let missing = || format!("no price for {kind} volumes on {name}");
                vec![Charge::new(None, missing, 1)]
            }
            _ => Self::live(name, provider, size).data,
        };
        Self {
            data,
            ..Self::default()
        }
    }

    /// An hour of a public address.
    #[must_use]
    pub fn of_address(name: &ProviderName, cloud: &CloudSpec) -> Charge {
        let prices = cloud.prices.clone().unwrap_or_default();
        let missing = || format!("no price for public addresses on {name}");
        Charge::new(prices.address_hour, missing, 1)
    }

    /// The size of the machine's own disk is not known.
    fn with_unknown_disk(self) -> Self {
        let disk = Charge {
            price: Err("the size of its disk is not known".to_owned()),
            times: 0,
            parts: 1,
        };
        Self {
            disk: vec![disk],
            ..self
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.running.extend(other.running);
        self.disk.extend(other.disk);
        self.data.extend(other.data);
        self
    }

    /// What an hour of running costs, disks included.
    #[must_use]
    pub fn hour(&self) -> Sum {
        let Self {
            running,
            disk,
            data,
        } = self;
        let all = running.iter().chain(disk).chain(data);
        let sums: Vec<Sum> = all.map(|charge| charge.over(3600)).collect();
        sums.iter().collect()
    }
}

fn of_host(name: &ProviderName, host: &HostSpec, size: Size) -> Tariff {
    let prices = host.prices.clone().unwrap_or_default();
    let missing = |what: &'static str| move || format!("no price for {what} on {name}");
    let gib = |price, what, mib: u64| {
        Charge::new(price, missing(what), u128::from(mib)).of_parts(MIB_OF_GIB)
    };
    Tariff {
        running: vec![
            Charge::new(prices.cpu_hour, missing("cpus"), u128::from(size.cpus)),
            gib(prices.memory_gib_hour, "memory", size.memory_mib),
        ],
        disk: vec![gib(prices.disk_gib_hour, "disk", size.disk_mib)],
        data: vec![gib(prices.disk_gib_hour, "disk", size.data_mib)],
    }
}

/// Of a machine that says of which type it is.
fn of_type(name: &ProviderName, cloud: &CloudSpec, type_name: &str, size: Size) -> Tariff {
    let kind = cloud.types.iter().find(|kind| kind.name == type_name);
    let mut tariff = of_cloud(name, cloud, kind, size);
    if kind.is_none() {
        let missing = || format!("no price for {type_name} on {name}");
        tariff.running[0] = Charge::new(None, missing, 1);
    }
    tariff
}

fn of_cloud(
    name: &ProviderName,
    cloud: &CloudSpec,
    kind: Option<&InstanceType>,
    size: Size,
) -> Tariff {
    let prices = cloud.prices.clone().unwrap_or_default();
    let machine = || match kind {
        Some(kind) => format!("no price for {} on {name}", kind.name),
        None => format!(
            "no type of {name} has {} cpus and {} MiB of memory",
            size.cpus, size.memory_mib
        ),
    };
    let mut running = vec![Charge::new(kind.and_then(|kind| kind.price), machine, 1)];
    if cloud.network.reach == Reach::Public {
        running.push(Tariff::of_address(name, cloud));
    }
    let volume = |mib: u64| {
        let missing = || format!("no price for volumes on {name}");
        let charge = Charge::new(prices.volume_gib_month, missing, u128::from(mib));
        charge.of_parts(MIB_OF_GIB * HOURS_OF_MONTH)
    };
    Tariff {
        running,
        disk: vec![volume(size.disk_mib)],
        data: vec![volume(size.data_mib)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::schema::{CloudPrices, HostPrices};
    use serde_json::json;

    fn name(text: &str) -> ProviderName {
        ProviderName::parse(text).unwrap()
    }

    fn host(prices: serde_json::Value) -> ProviderSpec {
        let prices: HostPrices = serde_json::from_value(prices).unwrap();
        let mut host: HostSpec = serde_json::from_value(json!({"uri": "qemu:///system"})).unwrap();
        host.prices = Some(prices);
        ProviderSpec::Host(host)
    }

    fn cloud(reach: &str, prices: serde_json::Value) -> ProviderSpec {
        let prices: CloudPrices = serde_json::from_value(prices).unwrap();
        let mut cloud: CloudSpec = serde_json::from_value(json!({
            "provider": "aws", "region": "r", "images": {}, "network": {"reach": reach},
            "types": [
                {"name": "t3.small", "cpus": 2, "memory": "2GiB", "price": "0.0208 USD"},
                {"name": "t3.large", "cpus": 2, "memory": "8GiB"},
            ],
        }))
        .unwrap();
        cloud.prices = Some(prices);
        ProviderSpec::Cloud(cloud)
    }

    const SMALL: Size = Size {
        cpus: 2,
        memory_mib: 1536,
        disk_mib: 10 * 1024,
        data_mib: 4 * 1024,
    };

    fn price(name_of: &str, provider: &ProviderSpec, size: Size) -> Option<String> {
        price_per_hour(&name(name_of), provider, size).map(|money| money.to_string())
    }

    #[test]
    fn a_host_counts_cpus_memory_and_disks() {
        let lab = host(json!({
            "cpuHour": "0.01 EUR", "memoryGibHour": "0.004 EUR", "diskGibHour": "0.0001 EUR",
        }));
        // 2 × 0.01 + 1.5 × 0.004 + 14 × 0.0001
        assert_eq!(price("lab", &lab, SMALL).as_deref(), Some("0.0274 EUR"));
    }

    #[test]
    fn a_cloud_counts_the_first_type_with_room_its_address_and_volumes_by_the_month() {
        let prices = json!({"volumeGibMonth": "0.0912 USD", "addressHour": "0.005 USD"});
        let seoul = cloud("public", prices);
        // 0.0208 + 0.005 + 14 × 0.0912 / 730
        let expected = Some("0.027549041 USD".to_owned());
        assert_eq!(price("seoul", &seoul, SMALL), expected);
    }

    #[test]
    fn what_has_no_price_says_so_and_never_counts_as_nothing() {
        let lab = host(json!({"cpuHour": "0.01 EUR", "diskGibHour": "0 EUR"}));
        assert_eq!(price("lab", &lab, SMALL), None);
        let hour = Tariff::asked(&name("lab"), &lab, SMALL).hour();
        assert_eq!(hour.to_string(), "0.02 EUR + ?");
        let said: Vec<&str> = hour.unpriced.iter().map(String::as_str).collect();
        assert_eq!(said, ["no price for memory on lab"]);

        let seoul = cloud("public", json!({}));
        let large = Size {
            memory_mib: 4096,
            ..SMALL
        };
        let hour = Tariff::asked(&name("seoul"), &seoul, large).hour();
        let said: Vec<&str> = hour.unpriced.iter().map(String::as_str).collect();
        assert_eq!(
            said,
            [
                "no price for public addresses on seoul",
                "no price for t3.large on seoul",
                "no price for volumes on seoul",
            ]
        );
        assert!(hour.is_unknown());
    }

    #[test]
    fn what_is_reached_privately_has_no_public_address() {
        let seoul = cloud("private", json!({"volumeGibMonth": "0 USD"}));
        assert_eq!(price("seoul", &seoul, SMALL).as_deref(), Some("0.0208 USD"));
    }

    #[test]
    fn a_live_machine_is_of_the_type_that_has_its_size() {
        let seoul = cloud("private", json!({"volumeGibMonth": "0 USD"}));
        let hour = |memory_mib| {
            let size = Size {
                memory_mib,
                ..SMALL
            };
            Tariff::live(&name("seoul"), &seoul, size).hour()
        };
        assert_eq!(hour(2048).whole().unwrap().to_string(), "0.0208 USD");
        let none = hour(1536).unpriced.into_iter().next().unwrap();
        assert_eq!(none, "no type of seoul has 2 cpus and 1536 MiB of memory");
    }

    #[test]
    fn a_live_machine_that_says_its_type_has_the_price_of_that() {
        let seoul = cloud("private", json!({"volumeGibMonth": "0.73 USD"}));
        let hour = |type_name| {
            let machine = SeenMachine {
                cpus: 2,
                memory_mib: 2048,
                type_name: Some(type_name),
            };
            Tariff::of_machine(&name("seoul"), &seoul, machine, Some(0)).hour()
        };
        assert_eq!(hour("t3.small").whole().unwrap().to_string(), "0.0208 USD");
        // Of the same size, and perhaps of another price.
        let none = hour("t3a.small").unpriced.into_iter().next().unwrap();
        assert_eq!(none, "no price for t3a.small on seoul");
    }

    #[test]
    fn volumes_of_another_type_than_ours_have_no_price() {
        let seoul = cloud("private", json!({"volumeGibMonth": "0.73 USD"}));
        let hour = |kind| Tariff::of_data(&name("seoul"), &seoul, 1024, kind).hour();
        let price = "0.001 USD";
        assert_eq!(hour(None).whole().unwrap().to_string(), price);
        assert_eq!(hour(Some("gp3")).whole().unwrap().to_string(), price);
        let none = hour(Some("io2")).unpriced.into_iter().next().unwrap();
        assert_eq!(none, "no price for io2 volumes on seoul");
        let lab = host(json!({"diskGibHour": "0.001 USD"}));
        let hour = Tariff::of_data(&name("lab"), &lab, 1024, Some("raw")).hour();
        assert_eq!(hour.whole().unwrap().to_string(), price);
    }

    #[test]
    fn a_price_of_nothing_is_a_price() {
        let zero = json!({"cpuHour": "0 USD", "memoryGibHour": "0 USD", "diskGibHour": "0 USD"});
        assert_eq!(price("lab", &host(zero), SMALL).as_deref(), Some("0 USD"));
    }
}
