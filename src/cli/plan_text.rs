//! Plans for people: one line per step, coloured by what it does.

use std::collections::BTreeSet;

use anstyle::Style;

use super::exit::Exit;
use super::output::{BAD, BOLD, FAINT, GOOD, WARN, paint};
use crate::cost::{Change, Sum};
use crate::model::text::count;
use crate::model::{Plan, Risk, Step};

/// The plan with its heading and its counts.
#[must_use]
pub fn whole(plan: &Plan) -> String {
    let mut lines = vec![heading(plan)];
    lines.extend(placement(plan).map(|line| format!("  {line}")));
    lines.extend(plan.steps.iter().map(|step| format!("  {}", line(step))));
    let held = plan.held.iter().map(|held| paint(WARN, held));
    lines.extend(held.map(|line| format!("  {line}")));
    lines.join("\n")
}

fn heading(plan: &Plan) -> String {
    let revision = paint(FAINT, format!("at {}", plan.revision.short()));
    format!("{} {revision}: {}", paint(BOLD, &plan.env), summary(plan))
}

/// The place that was chosen of several, where anything is done or held; why nothing can be made, is
/// among what is held.
fn placement(plan: &Plan) -> Option<String> {
    let is_told = !plan.steps.is_empty() || !plan.held.is_empty();
    let placed = plan
        .placed
        .as_ref()
        .filter(|placed| is_told && placed.unplaced.is_none())?;
    Some(paint(
        FAINT,
        format!("placed on {}: {}", placed.at, placed.because),
    ))
}

/// One step, in the colour of what it does.
#[must_use]
pub fn line(step: &Step) -> String {
    let text = paint(style(step.action.sign()), step);
    match step.risk {
        Risk::Safe => text,
        Risk::Disruptive => format!("{text} {}", paint(WARN, "[disruptive]")),
        Risk::Destructive => format!("{text} {}", paint(BAD, "[destructive]")),
    }
}

/// A step's line as a store keeps it, coloured by its sign.
#[must_use]
pub fn recorded(line: &str) -> String {
    paint(style(line.chars().next().unwrap_or(' ')), line)
}

fn style(sign: char) -> Style {
    match sign {
        '+' => GOOD,
        '-' => BAD,
        '~' | '!' => WARN,
        _ => Style::new(),
    }
}

/// `2 to create, 1 to change, 1 held`, or that there is nothing to do.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    let with = |sign| {
        let signs = plan.steps.iter().filter(|step| step.action.sign() == sign);
        signs.count()
    };
    let parts = [
        (with('+'), "to create"),
        (with('~'), "to change"),
        (with('-'), "to delete"),
        (plan.held.len(), "held"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    match said.is_empty() {
        true => "nothing to do".to_owned(),
        false => said.join(", "),
    }
}

/// What a plan changes about the cost of a whole month.
#[must_use]
pub fn cost(Change { before, after }: &Change) -> String {
    let side = |sum: &Sum| match sum == &Sum::default() {
        true => "nothing".to_owned(),
        false => sum.to_string(),
    };
    let missing: BTreeSet<&str> = before
        .unpriced
        .iter()
        .chain(&after.unpriced)
        .map(String::as_str)
        .collect();
    let missing: Vec<&str> = missing.into_iter().collect();
    let why = match missing.is_empty() {
        true => String::new(),
        false => format!(" ({})", missing.join(", ")),
    };
    format!(
        "$ a month          {} → {}{}",
        side(before),
        side(after),
        paint(WARN, why)
    )
}

/// What a plan is to a script.
#[must_use]
pub fn exit(plan: &Plan) -> Exit {
    match (plan.steps.is_empty(), plan.held.is_empty()) {
        (false, _) => Exit::Changes,
        (true, false) => Exit::Held,
        (true, true) => Exit::Done,
    }
}

/// The last line under several plans.
#[must_use]
pub fn total(plans: &[&Plan]) -> String {
    let steps: usize = plans.iter().map(|plan| plan.steps.len()).sum();
    let held: usize = plans.iter().map(|plan| plan.held.len()).sum();
    let environments = count(plans.len(), "environment");
    let steps = count(steps, "step");
    match held {
        0 => format!("{environments}: {steps}"),
        held => format!("{environments}: {steps}, {held} held"),
    }
}
