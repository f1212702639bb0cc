//! Clocks that are put forward and back, in zones that do it in their own ways.

use super::awake::{assert_states, hours};

#[test]
fn berlin_skips_an_hour_in_march() {
    // 02:00 becomes 03:00 on the 29th.
    assert_states(
        &hours("daily 00:00-06:00 Europe/Berlin"),
        "2026-03-28T23:00+01:00 | closed | 2026-03-29T00:00+01:00
         2026-03-29T01:00+01:00 | open | 2026-03-29T06:00+02:00",
    );
    assert_states(
        &hours("daily 02:30-05:00 Europe/Berlin"),
        "2026-03-29T01:59+01:00 | closed | 2026-03-29T03:30+02:00
         2026-03-29T03:15+02:00 | closed | 2026-03-29T03:30+02:00
         2026-03-29T03:30+02:00 | open | 2026-03-29T05:00+02:00",
    );
    assert_states(
        &hours("daily 01:00-02:30 Europe/Berlin"),
        "2026-03-29T01:30+01:00 | open | 2026-03-29T03:30+02:00",
    );
    // Nothing of it is left that day.
    assert_states(
        &hours("daily 02:30-03:00 Europe/Berlin"),
        "2026-03-29T01:00+01:00 | closed | 2026-03-30T02:30+02:00
         2026-03-29T03:15+02:00 | closed | 2026-03-30T02:30+02:00",
    );
}

#[test]
fn what_berlin_skips_comes_later_and_may_meet_what_follows() {
    assert_states(
        &hours("daily 01:00-02:30, daily 03:00-05:00 Europe/Berlin"),
        "2026-03-28T01:30+01:00 | open | 2026-03-28T02:30+01:00
         2026-03-29T01:30+01:00 | open | 2026-03-29T05:00+02:00
         2026-03-29T03:15+02:00 | open | 2026-03-29T05:00+02:00",
    );
    assert_states(
        &hours("daily 02:30-02:45, daily 03:10-03:20 Europe/Berlin"),
        "2026-03-29T01:00+01:00 | closed | 2026-03-29T03:10+02:00
         2026-03-29T03:20+02:00 | closed | 2026-03-29T03:30+02:00
         2026-03-29T03:30+02:00 | open | 2026-03-29T03:45+02:00",
    );
    // The second of two that touch ends before the first one, and is in it.
    assert_states(
        &hours("daily 01:00-02:45, daily 02:45-03:10 Europe/Berlin"),
        "2026-03-29T01:30+01:00 | open | 2026-03-29T03:45+02:00
         2026-03-29T03:20+02:00 | open | 2026-03-29T03:45+02:00",
    );
}

#[test]
fn berlin_has_an_hour_twice_in_october_and_the_first_one_counts() {
    // 03:00 becomes 02:00 on the 25th.
    assert_states(
        &hours("daily 02:00-02:30 Europe/Berlin"),
        "2026-10-25T01:00+02:00 | closed | 2026-10-25T02:00+02:00
         2026-10-25T02:15+02:00 | open | 2026-10-25T02:30+02:00
         2026-10-25T02:15+01:00 | closed | 2026-10-26T02:00+01:00",
    );
    assert_states(
        &hours("daily 02:30-04:00 Europe/Berlin"),
        "2026-10-25T02:30+02:00 | open | 2026-10-25T04:00+01:00
         2026-10-25T02:15+01:00 | open | 2026-10-25T04:00+01:00",
    );
    assert_states(
        &hours("daily 01:00-02:30, daily 02:30-05:00 Europe/Berlin"),
        "2026-10-25T01:30+02:00 | open | 2026-10-25T05:00+01:00",
    );
}

#[test]
fn a_day_in_new_york_has_23_to_25_hours() {
    assert_states(
        &hours("Sun 00:00-24:00 America/New_York"),
        "2026-03-08T05:00Z | open | 2026-03-09T04:00Z
         2026-11-01T04:00Z | open | 2026-11-02T05:00Z
         2026-11-02T05:00Z | closed | 2026-11-08T05:00Z",
    );
    assert_states(
        &hours("Mon-Fri 09:00-17:00 America/New_York"),
        "2026-03-06T23:00Z | closed | 2026-03-09T13:00Z
         2026-10-30T22:00Z | closed | 2026-11-02T14:00Z",
    );
}

#[test]
fn sao_paulo_changed_its_clocks_at_midnight() {
    // On the 4th of November 2018 midnight became 01:00.
    assert_states(
        &hours("Sat 22:00-24:00, Sun 00:00-06:00 America/Sao_Paulo"),
        "2018-11-03T23:30-03:00 | open | 2018-11-04T06:00-02:00",
    );
    assert_states(
        &hours("Sun 00:00-06:00 America/Sao_Paulo"),
        "2018-11-03T23:30-03:00 | closed | 2018-11-04T01:00-02:00",
    );
    assert_states(
        &hours("Sun 00:15-06:00 America/Sao_Paulo"),
        "2018-11-04T01:10-02:00 | closed | 2018-11-04T01:15-02:00",
    );
    // On the 18th of February 2018 midnight became 23:00 of the 17th.
    assert_states(
        &hours("Sat 22:00-24:00 America/Sao_Paulo"),
        "2018-02-17T22:30-02:00 | open | 2018-02-18T00:00-03:00
         2018-02-17T23:30-03:00 | open | 2018-02-18T00:00-03:00",
    );
    assert_states(
        &hours("Sat 22:00-23:30 America/Sao_Paulo"),
        "2018-02-17T22:30-02:00 | open | 2018-02-17T23:30-02:00
         2018-02-17T23:15-03:00 | closed | 2018-02-24T22:00-03:00",
    );
}

#[test]
fn newfoundland_went_back_over_midnight() {
    // On the 7th of November 2010 00:01 became 23:01 of the 6th, a Saturday: what had opened at
    // midnight stayed open.
    assert_states(
        &hours("Sun 00:00-06:00 America/St_Johns"),
        "2010-11-06T23:30-02:30 | closed | 2010-11-07T00:00-02:30
         2010-11-06T23:30-03:30 | open | 2010-11-07T06:00-03:30
         2010-11-07T00:00-03:30 | open | 2010-11-07T06:00-03:30",
    );
}

#[test]
fn lord_howe_moves_by_half_an_hour() {
    // 02:00 becomes 02:30 on the 4th of October, and 01:30 on the 5th of April.
    assert_states(
        &hours("Sun 02:15-03:00 Australia/Lord_Howe"),
        "2026-10-04T01:30+10:30 | closed | 2026-10-04T02:45+11:00
         2026-10-04T02:50+11:00 | open | 2026-10-04T03:00+11:00",
    );
    assert_states(
        &hours("Sun 01:45-03:00 Australia/Lord_Howe"),
        "2026-04-05T01:45+11:00 | open | 2026-04-05T03:00+10:30
         2026-04-05T01:40+10:30 | open | 2026-04-05T03:00+10:30",
    );
}

#[test]
fn seoul_has_moved_its_clocks_too() {
    assert_states(
        &hours("daily 09:00-18:00 Asia/Seoul"),
        "1988-07-01T12:00+10:00 | open | 1988-07-01T18:00+10:00
         2026-07-01T12:00+09:00 | open | 2026-07-01T18:00+09:00",
    );
}

#[test]
fn samoa_left_out_a_friday() {
    // Thursday the 29th of December 2011 was followed by Saturday the 31st. The night of the Friday
    // would begin after its end, so nothing is left of it.
    assert_states(
        &hours("Thu-Fri 22:00-06:00 Pacific/Apia"),
        "2011-12-29T23:00-10:00 | open | 2011-12-31T06:00+14:00
         2011-12-31T07:00+14:00 | closed | 2012-01-05T22:00+14:00",
    );
    // The windows of the Friday open a day later, after what the Saturday has earlier.
    assert_states(
        &hours("Fri 09:00-10:00, Sat 08:00-08:30 Pacific/Apia"),
        "2011-12-29T23:00-10:00 | closed | 2011-12-31T08:00+14:00
         2011-12-31T08:30+14:00 | closed | 2011-12-31T09:00+14:00
         2011-12-31T09:30+14:00 | open | 2011-12-31T10:00+14:00",
    );
    assert_states(
        &hours("Thu 20:00-12:00 Pacific/Apia"),
        "2011-12-31T11:00+14:00 | open | 2011-12-31T12:00+14:00",
    );
    assert_states(
        &hours("daily 00:00-24:00 Pacific/Apia"),
        "2011-12-29T12:00-10:00 | open | -",
    );
}

#[test]
fn alaska_had_a_saturday_twice() {
    // It left the date of Asia when it was sold, in October 1867.
    assert_states(
        &hours("Sat 10:00-12:00 America/Sitka"),
        "1867-10-18T20:00Z | open | 1867-10-18T21:01:13Z
         1867-10-19T20:00Z | closed | 1867-10-26T19:01:13Z",
    );
}

#[test]
fn casablanca_goes_back_for_ramadan() {
    assert_states(
        &hours("daily 09:00-18:00 Africa/Casablanca"),
        "2024-03-05T12:00+01:00 | open | 2024-03-05T18:00+01:00
         2024-03-20T12:00+00:00 | open | 2024-03-20T18:00+00:00
         2024-04-20T12:00+01:00 | open | 2024-04-20T18:00+01:00
         2024-03-09T20:00+01:00 | closed | 2024-03-10T09:00+00:00",
    );
}
