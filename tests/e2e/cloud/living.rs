//! How the environment is kept as it is declared, in a cloud.

use jiff::{ToSpan as _, Zoned};

use crate::story::bed::{ENV, SERVICE};
use crate::story::wait::{BOOT, CHANGE, seen};

use super::bed::{Bed, FILE};

const NOTE: &str = "written in the cloud\n";

pub fn a_container_that_somebody_removed_comes_back(bed: &mut Bed) {
    let write = "printf %s \"$1\" > /notes/entry; head -c 1000000 /dev/urandom > /notes/bytes";
    bed.in_container(&["sh", "-c", write, "sh", NOTE]);
    bed.repository
        .replace("metrom.yaml", "poll: 1h", "poll: 20s");
    bed.repository.push("look often");
    bed.serve();
    let before = bed.container_id();
    let container = format!("{ENV}-{SERVICE}-1");
    bed.inside(&format!("docker rm --force {container}"));
    until_served(bed, "the page is back", |bed| bed.page("/edition"));
    assert_ne!(bed.container_id(), before);
    assert_eq!(bed.page("/notes/entry").unwrap(), NOTE);
}

pub fn outside_office_hours_the_machine_is_off_and_comes_back_at_another_address(bed: &mut Bed) {
    let address = bed.told_address().unwrap();
    let process = bed.guests.process(&bed.instance);
    assert!(process.is_some(), "it runs");
    let some_day = (Zoned::now() + 3.days()).strftime("%a").to_string();
    bed.repository.replace(
        FILE,
        "  placement: ec2\n",
        &format!("  placement: ec2\n  officeHours: {some_day} 09:00-10:00 UTC\n"),
    );
    bed.repository.push("one hour a week is enough");
    until_served(bed, "the instance is stopped", |bed| {
        let instance = bed.described(&bed.instance);
        let state = instance.text_at("instanceState/name");
        seen(state == "stopped", state)?;
        seen(
            bed.guests.process(&bed.instance).is_none(),
            "its machine runs",
        )
    });
    bed.until_served_within(CHANGE, "it is asleep", |bed| {
        let status = bed.environment()?["status"].clone();
        seen(status == "asleep", status)
    });
    bed.metrom(&["plan", ENV]).with_code(0);

    let revision = bed.repository.revert_last();
    bed.until_served_within(BOOT, "it is awake", |bed| bed.is_healthy_at(&revision));
    assert_eq!(bed.page("/notes/entry").unwrap(), NOTE);
    let (now, anew) = (
        bed.told_address().unwrap(),
        bed.guests.process(&bed.instance),
    );
    assert_ne!(
        (now, anew),
        (address, process),
        "another address, another boot"
    );
    assert_eq!(bed.instances().len(), 1);
    bed.require_untouched();
}

pub fn more_memory_and_a_larger_volume_are_what_the_machine_has_then(bed: &mut Bed) {
    let (memory, space) = (
        "grep MemTotal /proc/meminfo | tr -dc 0-9",
        "df --output=size -m /srv/metrom | tail -n 1",
    );
    let number = |bed: &Bed, script: &str| bed.inside(script).trim().parse::<u64>().unwrap();
    assert!(number(bed, memory) < 1 << 20);
    assert!(number(bed, space) < 1024);
    bed.repository.replace(
        FILE,
        "    data: 1GiB\n",
        "    data: 3GiB\n    memory: 2GiB\n",
    );
    let revision = bed.repository.push("more of everything");
    bed.until_served_within(BOOT, "it is larger", |bed| bed.is_healthy_at(&revision));
    let instance = bed.described(&bed.instance);
    assert_eq!(instance.text_at("instanceType"), "t3.small");
    assert!(number(bed, memory) > 3 << 19, "the machine has it");
    assert!(number(bed, space) > 2048, "and the file system");
    assert_eq!(bed.page("/notes/entry").unwrap(), NOTE);
    assert_eq!(bed.volumes()[0].text_at("volumeId"), bed.volume);
}

/// As the story's own, for looks at the cloud as well.
pub fn until_served<T>(
    bed: &Bed,
    what: &str,
    mut look: impl FnMut(&Bed) -> Result<T, String>,
) -> T {
    bed.until_served_within(CHANGE, what, |_| look(bed))
}
