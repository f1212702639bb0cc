//! What was kept of an environment comes back in another one.

use std::time::Instant;

use super::bed::{Bed, ENV, OWNER};
use super::wait::{BOOT, CHANGE, seen};
use super::{host, say};

/// The environment that gets the data.
const HEIR: &str = "diary";

pub fn what_was_kept_comes_back_in_another_environment_with_the_same_bytes(bed: &mut Bed) {
    bed.stop_serve().with_code(0);
    let volumes = host::data_volumes(OWNER, ENV);
    let kept = bed.metrom(&["trash", "list"]).with_code(0).text();
    assert!(kept.contains(ENV), "{kept}");

    let file = bed.repository.before_last("environments/journal.yaml");
    let name = format!("name: {HEIR}");
    let file = file.replacen("name: journal", &name, 1);
    bed.repository.write("environments/diary.yaml", &file);
    bed.repository.push("a diary, with what the journal had");
    bed.metrom(&["trash", "restore", ENV, "--to", HEIR])
        .with_code(0);
    let began = Instant::now();
    bed.metrom_within(BOOT, &["apply", HEIR]).with_code(0);
    say(&format!("   applied in {} s", began.elapsed().as_secs()));
    assert_eq!(bed.sums(HEIR), bed.sums_before_the_end());
    assert_eq!(host::data_volumes(OWNER, ENV), volumes, "it is kept still");
    bed.metrom(&["plan", HEIR]).with_code(0);

    bed.repository.remove("environments/diary.yaml");
    bed.repository.push("the diary is not needed any more");
    bed.serve();
    bed.until_served_within(CHANGE, "the heir's machine is gone", |_| {
        let domains = host::domains(HEIR);
        seen(domains.is_empty(), format!("{domains:?}"))
    });
}
