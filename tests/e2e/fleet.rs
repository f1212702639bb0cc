//! The story of two bare machines that become a private cloud: given an address and a key, they are made
//! hypervisors by the plan of the environment that is placed on them, which runs there with its stack,
//! outlives a pulled cable and a pulled plug, and goes.
//!
//! The machines are those of [`crate::bare`], the rest is as in [`crate::story`].

mod becoming;
mod bed;
mod living;

use std::time::Instant;

use crate::story::{Chapter, say, tell};
use bed::Bed;

/// What is told, in this order; each finds the environment as the one before has left it.
const CHAPTERS: [Chapter<Bed>; 6] = [
    (
        "two machines are scanned, committed, and looked at by the doctor",
        becoming::two_machines_are_scanned_committed_and_looked_at_by_the_doctor,
    ),
    (
        "an environment makes one of them a hypervisor and runs on it",
        becoming::an_environment_makes_one_of_them_a_hypervisor_and_runs_on_it,
    ),
    (
        "its page and its container are reached without a route",
        living::its_page_and_its_container_are_reached_without_a_route,
    ),
    (
        "a cable that is pulled loses nothing",
        living::a_cable_that_is_pulled_loses_nothing,
    ),
    (
        "a plug that is pulled: the daemon and the machine are started again, with the data",
        living::a_plug_that_is_pulled_the_daemon_and_the_machine_are_started_again_with_the_data,
    ),
    (
        "an environment whose file is deleted goes, and its data stays",
        living::an_environment_whose_file_is_deleted_goes_and_its_data_stays,
    ),
];

#[test]
fn two_bare_machines_become_a_private_cloud() {
    let began = Instant::now();
    let mut bed = Bed::new();
    say(&format!(
        "the bed is made ({} s)",
        began.elapsed().as_secs()
    ));
    tell(&CHAPTERS, &mut bed);
    say(&format!("the end, after {} s", began.elapsed().as_secs()));
}
