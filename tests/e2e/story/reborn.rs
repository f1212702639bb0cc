//! A second machine, that is tried beside the first and takes its place.

use super::bed::{Bed, DOMAIN, ENV, OWNER};
use super::creation::kill_apply_when;
use super::host;
use super::wait::{BOOT, seen, until};

/// The other of the two names that an environment has for machines.
const SECOND: &str = "metrom-journal.2";

pub fn a_larger_disk_is_tried_on_a_second_machine_which_takes_over_the_data(bed: &mut Bed) {
    bed.stop_serve().with_code(0);
    let (first, _) = host::incarnation(DOMAIN);
    let volumes = host::data_volumes(OWNER, ENV);
    let note = bed.page("/notes/entry").unwrap();
    bed.repository.replace(
        "environments/journal.yaml",
        "  machine:\n",
        "  update: {machine: phoenix}\n  machine:\n    disk: 9GiB\n",
    );
    bed.repository.push("more room on the system's disk");
    let plan = bed.metrom(&["plan", ENV]).with_code(2).text();
    assert!(plan.contains("create a second one: "), "{plan}");
    assert!(!plan.contains("delete"), "{plan}");

    kill_apply_when(bed, "the second machine", BOOT, || host::is_running(SECOND));
    assert_eq!(bed.page("/notes/entry").unwrap(), note, "the first goes on");
    kill_apply_when(bed, "the hand-over", BOOT, || !host::is_running(DOMAIN));
    bed.metrom_within(BOOT, &["apply", ENV]).with_code(0);

    assert_eq!(host::domains(ENV), [SECOND]);
    assert_ne!(host::incarnation(SECOND).0, first);
    assert_eq!(host::data_volumes(OWNER, ENV), volumes);
    let left = host::files();
    let of_first = |name: &&String| name.starts_with("metrom-journal.") && !is_of_second(name);
    let left: Vec<&String> = left.iter().filter(of_first).collect();
    assert!(left.iter().all(|name| name.contains(".data.")), "{left:?}");
    bed.metrom(&["plan", ENV]).with_code(0);
    until("the note is served by the new machine", BOOT, || {
        let page = bed.page("/notes/entry")?;
        seen(page == note, page)
    });
    bed.serve();
}

fn is_of_second(name: &str) -> bool {
    name.starts_with(&format!("{SECOND}."))
}
