//! The story of one environment on a real QEMU, from the commit that declares it to the commit that
//! ends it: created under kill signals, changed, broken and healed, cut off from its source, gone.
//!
//! The program is used as people use it, by its command line and over HTTP, and is never believed
//! alone: `virsh`, `git` and the web server in the environment say what is really there. A boot under
//! emulation takes minutes, so there are few of them: the chapters build on each other and are one
//! test.

mod ahead;
pub mod bed;
mod creation;
mod ending;
pub mod host;
pub mod http;
pub mod process;
mod reborn;
pub mod repository;
mod restored;
mod rows;
mod serving;
mod silent;
mod trouble;
pub mod wait;

use std::io::Write as _;
use std::time::Instant;

use bed::Bed;

/// What is told, in this order; each finds the environment as the one before has left it.
const CHAPTERS: [Chapter<Bed>; 22] = [
    (
        "a plan says what will be made, and makes nothing",
        creation::a_plan_says_what_will_be_made_and_makes_nothing,
    ),
    (
        "killed twice amid creation, it makes one machine with one volume",
        creation::killed_twice_amid_creation_it_makes_one_machine_with_one_volume,
    ),
    (
        "what was made needs nothing more, and where the time went is told",
        creation::what_was_made_needs_nothing_more_and_where_the_time_went_is_told,
    ),
    (
        "a machine that never answers is begun",
        silent::a_machine_that_never_answers_is_begun,
    ),
    (
        "the source is checked out and served",
        creation::the_source_is_checked_out_and_served,
    ),
    (
        "parameters arrive in the container byte for byte",
        creation::parameters_arrive_in_the_container_byte_for_byte,
    ),
    ("serve answers over HTTP", serving::serve_answers_over_http),
    (
        "a forged webhook is refused and wakes nobody, a signed one brings the change",
        serving::a_forged_webhook_is_refused_and_a_signed_one_brings_the_change,
    ),
    (
        "serve stops when it is asked to, and goes on after a start",
        serving::serve_stops_when_it_is_asked_to_and_goes_on_after_a_start,
    ),
    (
        "a container that somebody removed comes back",
        serving::a_container_that_somebody_removed_comes_back,
    ),
    (
        "a machine that was cut off comes back with its data",
        serving::a_machine_that_was_cut_off_comes_back_with_its_data,
    ),
    (
        "put to sleep it is shut down in good order, and woken it has its data",
        serving::put_to_sleep_it_is_shut_down_in_good_order_and_woken_it_has_its_data,
    ),
    (
        "an image that cannot be pulled is named and nothing is lost",
        trouble::an_image_that_cannot_be_pulled_is_named_and_nothing_is_lost,
    ),
    (
        "a source that is out of reach changes nothing",
        trouble::a_source_that_is_out_of_reach_changes_nothing,
    ),
    (
        "the machine that never answered was given up with its last words",
        silent::the_machine_that_never_answered_was_given_up_with_its_last_words,
    ),
    (
        "a larger disk is tried on a second machine, which takes over the data",
        reborn::a_larger_disk_is_tried_on_a_second_machine_which_takes_over_the_data,
    ),
    (
        "an environment whose file is deleted goes, and its data stays",
        ending::an_environment_whose_file_is_deleted_goes_and_its_data_stays,
    ),
    (
        "what was kept comes back in another environment, with the same bytes",
        restored::what_was_kept_comes_back_in_another_environment_with_the_same_bytes,
    ),
    (
        "a machine made ahead is claimed, and not booted again",
        ahead::a_machine_made_ahead_is_claimed_and_not_booted_again,
    ),
    (
        "the rows of a database outlive a machine that is not well, and one that is",
        rows::the_rows_of_a_database_outlive_a_machine_that_is_not_well_and_one_that_is,
    ),
    (
        "by the policy to delete, nothing is left but what is not ours",
        ending::by_the_policy_to_delete_nothing_is_left_but_what_is_not_ours,
    ),
    (
        "serve ends in peace, and nobody has told the secrets",
        ending::serve_ends_in_peace_and_nobody_has_told_the_secrets,
    ),
];

#[test]
fn the_story_of_an_environment_from_its_first_commit_to_its_last() {
    let began = Instant::now();
    let mut bed = Bed::new();
    say(&format!(
        "the bed is made ({} s)",
        began.elapsed().as_secs()
    ));
    tell(&CHAPTERS, &mut bed);
    say(&format!("the end, after {} s", began.elapsed().as_secs()));
}

/// A title, and what is told under it.
pub type Chapter<B> = (&'static str, fn(&mut B));

/// Tells the chapters that are wanted.
pub fn tell<B>(chapters: &[Chapter<B>], bed: &mut B) {
    for (number, (title, chapter)) in chapters.iter().enumerate() {
        if is_left_out(number + 1) {
            continue;
        }
        let since = Instant::now();
        say(&format!("{}. {title} …", number + 1));
        chapter(bed);
        say(&format!("   told in {} s", since.elapsed().as_secs()));
    }
}

/// `METROM_CHAPTERS=2,7,8,10,16` tells these alone, for who works on one of them.
fn is_left_out(number: usize) -> bool {
    let wanted = std::env::var("METROM_CHAPTERS").unwrap_or_default();
    let mut wanted = wanted
        .split(',')
        .filter_map(|one| one.parse().ok())
        .peekable();
    wanted.peek().is_some() && !wanted.any(|one: usize| one == number)
}

/// A line for who waits: past the capture of the test harness, for the story takes its time.
pub fn say(line: &str) {
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "{line}");
}
