//! What people see while a run goes: bars on a terminal, plain lines elsewhere, all of it on
//! standard error.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anstream::adapter::strip_str;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::output::{BAD, FAINT, GOOD, WARN, paint};
use super::plan_text;
use super::span::took;
use crate::model::{EnvName, Outcome, Plan, Step, StepId};
use crate::port::Journal;
use crate::reconcile::{News, Onlooker};

/// Between two frames of a spinner.
const FRAME: Duration = Duration::from_millis(120);

/// A plain line is written each time this much more of long work is done, in percent.
const STRIDE: u64 = 25;

/// How much people want to see of the output of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Steps,
    /// Every line that a step writes.
    Lines,
}

/// Shows runs while they go.
pub struct Progress {
    /// `None` when nobody sits at a terminal.
    bars: Option<MultiProgress>,
    detail: Detail,
    steps: Mutex<BTreeMap<(EnvName, StepId), Shown>>,
    /// The plans that are being done.
    plans: Mutex<BTreeMap<EnvName, Plan>>,
}

/// What is shown of a running step.
struct Shown {
    bar: Option<ProgressBar>,
    /// Of the last plain line about its progress, in percent.
    told: u64,
}

impl Progress {
    #[must_use]
    pub fn new(detail: Detail) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self {
            bars,
            detail,
            steps: Mutex::default(),
            plans: Mutex::default(),
        }
    }

    /// One line above the bars.
    pub fn say(&self, line: &str) {
        match &self.bars {
            // Nothing can be done when the terminal is gone.
            Some(bars) => drop(bars.println(for_terminal(line))),
            None => anstream::eprintln!("{line}"),
        }
    }

    fn planned(&self, plan: &Plan) {
        if !plan.steps.is_empty() {
            self.say(&plan_text::whole(plan));
        }
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.insert(plan.env.clone(), plan.clone());
    }

    fn started(&self, env: &EnvName, step: &Step) {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner().with_style(spinner()));
            bar.set_prefix(format!("{env} {}", step.key));
            bar.set_message(step.action.to_string());
            bar.enable_steady_tick(FRAME);
            bar
        });
        if bar.is_none() {
            self.say(&format!("{env}: {} {}", step.key, step.action));
        }
        let shown = Shown { bar, told: 0 };
        self.with(|steps| steps.insert((env.clone(), step.id), shown));
    }

    fn line(&self, env: &EnvName, step: &Step, line: &str) {
        if self.detail == Detail::Lines {
            let who = paint(FAINT, format!("{env} {}", step.key));
            self.say(&format!("  {who} {line}"));
        } else {
            self.with(|steps| {
                if let Some(bar) = bar_of(steps, env, step) {
                    bar.set_message(line.to_owned());
                }
            });
        }
    }

    fn progress(&self, env: &EnvName, step: &Step, what: &str, done: u64, total: u64) {
        let percent = (done * 100).checked_div(total).unwrap_or(0);
        let line = self.with(|steps| {
            let shown = steps.get_mut(&(env.clone(), step.id))?;
            if let Some(bar) = &shown.bar {
                show_bytes(bar, what, done, total);
                return None;
            }
            if percent < shown.told + STRIDE {
                return None;
            }
            shown.told = percent - percent % STRIDE;
            Some(format!("{env}: {} {what} {percent} %", step.key))
        });
        if let Some(line) = line {
            self.say(&line);
        }
    }

    fn ended(&self, env: &EnvName, step: &Step, outcome: &Outcome) {
        let shown = self.with(|steps| steps.remove(&(env.clone(), step.id)));
        if let Some(bar) = shown.and_then(|shown| shown.bar) {
            bar.finish_and_clear();
        }
        self.say(&self.ending(env, step, outcome));
    }

    /// The line that stays of a step.
    fn ending(&self, env: &EnvName, step: &Step, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Done { took: spent, .. } => format!(
                "{env}: {} {} {}",
                step.key,
                paint(GOOD, "done"),
                paint(FAINT, format!("in {}", took(*spent)))
            ),
            Outcome::Failed {
                took: spent, chain, ..
            } => format!(
                "{env}: {} {} after {}: {chain}",
                step.key,
                paint(BAD, "failed"),
                took(*spent)
            ),
            Outcome::Skipped { because } => {
                let plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
                let root = plans.get(env).and_then(|plan| plan.step(*because));
                let root = root.map_or(format!("step {because}"), |root| root.key.to_string());
                let skipped = paint(WARN, "skipped");
                format!("{env}: {} {skipped} because {root} failed", step.key)
            }
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<(EnvName, StepId), Shown>) -> T) -> T {
        act(&mut self.steps.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Onlooker for Progress {
    fn see(&self, env: &EnvName, news: News<'_>) {
        match news {
            News::Planned(plan) => self.planned(plan),
            News::Started(step) => self.started(env, step),
            News::Line(step, line) => self.line(env, step, line),
            News::Progress {
                step,
                what,
                done,
                total,
            } => self.progress(env, step, what, done, total),
            News::Phase(step, name, spent) => {
                if self.detail == Detail::Lines {
                    self.line(env, step, &format!("{name} took {}", took(spent)));
                }
            }
            News::Ended(step, outcome) => self.ended(env, step, outcome),
            News::Fault(fault) => self.say(&format!("{env}: {}", paint(WARN, fault))),
        }
    }
}

fn bar_of<'a>(
    steps: &'a BTreeMap<(EnvName, StepId), Shown>,
    env: &EnvName,
    step: &Step,
) -> Option<&'a ProgressBar> {
    steps.get(&(env.clone(), step.id))?.bar.as_ref()
}

fn show_bytes(bar: &ProgressBar, what: &str, done: u64, total: u64) {
    if total > 0 && bar.length() != Some(total) {
        bar.set_style(bytes());
        bar.set_length(total);
    }
    bar.set_position(done);
    bar.set_message(what.to_owned());
    if total > 0 && done >= total {
        bar.set_style(spinner());
    }
}

fn spinner() -> ProgressStyle {
    let template = "{spinner} {prefix:.bold} {elapsed:.dim} {wide_msg}";
    ProgressStyle::with_template(template).expect("the template is well formed")
}

fn bytes() -> ProgressStyle {
    let template =
        "{spinner} {prefix:.bold} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {wide_msg}";
    ProgressStyle::with_template(template).expect("the template is well formed")
}

/// Without its colours where colours are not wanted.
fn for_terminal(line: &str) -> String {
    match anstream::AutoStream::choice(&std::io::stderr()) {
        anstream::ColorChoice::Never => strip_str(line).to_string(),
        anstream::ColorChoice::Auto
        | anstream::ColorChoice::AlwaysAnsi
        | anstream::ColorChoice::Always => line.to_owned(),
    }
}

/// Shows one piece of long work that is no step of a run, such as the build of an image.
pub struct Alone {
    bar: Option<ProgressBar>,
    name: String,
    detail: Detail,
    /// Of the last plain line, in percent.
    told: Mutex<u64>,
}

impl Alone {
    #[must_use]
    pub fn new(name: &str, detail: Detail) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_style(spinner());
            bar.set_prefix(name.to_owned());
            bar.enable_steady_tick(FRAME);
            bar
        });
        Self {
            bar,
            name: name.to_owned(),
            detail,
            told: Mutex::default(),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// One line that stays.
    pub fn say(&self, text: &str) {
        let line = format!("{}: {text}", self.name);
        match &self.bar {
            Some(bar) => bar.println(for_terminal(&line)),
            None => anstream::eprintln!("{line}"),
        }
    }
}

impl Journal for Alone {
    fn line(&self, text: &str) {
        match (&self.bar, self.detail) {
            (Some(bar), Detail::Steps) => bar.set_message(text.to_owned()),
            (Some(_) | None, Detail::Lines) => self.say(text),
            (None, Detail::Steps) => {}
        }
    }

    fn progress(&self, what: &str, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            return show_bytes(bar, what, done, total);
        }
        let percent = (done * 100).checked_div(total).unwrap_or(0);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if percent >= *told + STRIDE {
            *told = percent - percent % STRIDE;
            self.say(&format!("{what} {percent} %"));
        }
    }

    fn phase(&self, name: &str, spent: Duration) {
        self.say(&format!(
            "{name} {}",
            paint(FAINT, format!("took {}", took(spent)))
        ));
    }
}
