//! The story of one environment that moves from a host into a cloud: the same file, of which one line
//! is changed, applied first on a real libvirt and then on an emulated EC2 whose instances are real
//! machines ([`guests`]).
//!
//! The program is used by its command line and over HTTP, as in [`crate::story`], and is not believed
//! alone: EC2's console, libvirt and the web server in the environment say what is really there.

mod bed;
mod domain;
mod ending;
mod guests;
mod living;
mod moving;

use std::time::Instant;

use crate::story::{Chapter, say, tell};
use bed::Bed;

/// What is told, in this order; each finds the environment as the one before has left it.
const CHAPTERS: [Chapter<Bed>; 9] = [
    (
        "a file is applied on a host, and what was done is written down",
        moving::a_file_is_applied_on_a_host_and_what_was_done_is_written_down,
    ),
    (
        "with one line changed the same steps make it in EC2",
        moving::with_one_line_changed_the_same_steps_make_it_in_ec2,
    ),
    (
        "the machine is the one that EC2 was asked for",
        moving::the_machine_is_the_one_that_ec2_was_asked_for,
    ),
    (
        "a container that somebody removed comes back",
        living::a_container_that_somebody_removed_comes_back,
    ),
    (
        "outside office hours the machine is off, and comes back at another address",
        living::outside_office_hours_the_machine_is_off_and_comes_back_at_another_address,
    ),
    (
        "more memory and a larger volume are what the machine has then",
        living::more_memory_and_a_larger_volume_are_what_the_machine_has_then,
    ),
    (
        "an environment whose file is deleted ends its instance, and its volume stays",
        ending::an_environment_whose_file_is_deleted_ends_its_instance_and_its_volume_stays,
    ),
    (
        "declared again it has the same data on another instance",
        ending::declared_again_it_has_the_same_data_on_another_instance,
    ),
    (
        "by the policy to delete, nothing is left but what is not ours",
        ending::by_the_policy_to_delete_nothing_is_left_but_what_is_not_ours,
    ),
];

#[test]
fn one_file_makes_the_same_environment_on_a_host_and_in_ec2_from_beginning_to_end() {
    let began = Instant::now();
    let mut bed = Bed::new();
    say(&format!(
        "the bed is made ({} s)",
        began.elapsed().as_secs()
    ));
    tell(&CHAPTERS, &mut bed);
    say(&format!("the end, after {} s", began.elapsed().as_secs()));
}
