//! Source trees on a machine, for people to work in.
//!
//! A checkout is moved only when nothing of anybody's can be lost by it: forward, or away from a
//! commit that upstream has thrown away while nobody worked here. The decision is [`decide`]; what
//! moves is `git` without `--force`.

use std::time::Duration;

use super::operator::{ASK_WITHIN, Operator};
use super::record::{self, CheckoutRecord};
use crate::model::{CheckoutSpec, Revision, Stamp};
use crate::port::GuestError;
use crate::ssh::Command;

pub(crate) const SURVEY: &str = concat!(
    include_str!("scripts/survey.sh"),
    include_str!("scripts/survey-one.sh")
);
const RELATE: &str = include_str!("scripts/relate.sh");
const PLACE: &str = include_str!("scripts/place.sh");
const RECORD: &str = include_str!("scripts/record-checkout.sh");
/// A large history over a slow line.
const CLONE_WITHIN: Duration = Duration::from_secs(1800);

/// What a checkout is like, as its own git says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    pub absent: bool,
    /// Something is there that is no repository.
    pub foreign: bool,
    pub head: Option<Revision>,
    pub branch: Option<String>,
    pub url: String,
    /// Some of the tracked files that differ from HEAD.
    pub changed: Vec<String>,
    /// Commits that are neither upstream nor put there by us.
    pub unpushed: u64,
    pub record: Option<CheckoutRecord>,
}

/// Where HEAD stands to the commit that should be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Relation {
    /// The reference is a branch, so a local branch follows it.
    pub tracks: bool,
    pub behind: bool,
    pub ahead: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Move {
    /// It is where it should be.
    Stay,
    /// Nothing is lost by going there.
    Go,
    Blocked(String),
}

impl Survey {
    /// Reads one fact; unknown ones are left alone.
    pub fn take(&mut self, name: &str, value: &str) {
        let some = || (!value.is_empty()).then(|| value.to_owned());
        match name {
            "absent" => self.absent = true,
            "foreign" => self.foreign = true,
            "head" => self.head = Revision::parse(value),
            "branch" => self.branch = some(),
            "url" => value.clone_into(&mut self.url),
            "changed" => self.changed.extend(some()),
            "unpushed" => self.unpushed = value.parse().unwrap_or(0),
            "record" => self.record = record::read(value),
            _ => {}
        }
    }

    fn read(output: &str) -> Self {
        let mut survey = Self::default();
        for (name, value) in facts(output) {
            survey.take(name, value);
        }
        survey
    }

    /// Somebody's work that would be in the way of a move, in words.
    pub fn local_work(&self) -> Option<String> {
        let record = self.record.as_ref()?;
        if !self.changed.is_empty() {
            let files = self.changed.join(", ");
            return Some(format!(
                "changed files: {files}; commit and push them, or undo the changes"
            ));
        }
        if self.branch != record.branch {
            let word = |branch: &Option<String>| {
                branch
                    .as_deref()
                    .map_or_else(|| "no branch".to_owned(), |b| format!("branch `{b}`"))
            };
            return Some(format!(
                "it is on {}; switch back to {} when that work is done",
                word(&self.branch),
                word(&record.branch),
            ));
        }
        match self.unpushed {
            0 => None,
            1 => Some("1 commit is not pushed; push it".to_owned()),
            n => Some(format!("{n} commits are not pushed; push them")),
        }
    }
}

/// The facts of an output: `name<TAB>value` a line.
pub(crate) fn facts(output: &str) -> impl Iterator<Item = (&str, &str)> {
    output.lines().filter_map(|line| line.split_once('\t'))
}

impl Relation {
    fn read(output: &str) -> Self {
        let has = |wanted: &str| facts(output).any(|(name, _)| name == wanted);
        Self {
            tracks: has("tracks"),
            behind: has("behind"),
            ahead: has("ahead"),
        }
    }
}

/// Whether a checkout may be brought to `target`, where `reference` stands.
fn decide(survey: &Survey, relation: Relation, reference: &str, target: &Revision) -> Move {
    if survey.foreign {
        return Move::Blocked("something else is at its path; move it away".to_owned());
    }
    let Some(head) = &survey.head else {
        return Move::Go;
    };
    let work = survey.local_work();
    if head == target {
        let branch = relation.tracks.then_some(reference);
        let is_settled = survey.branch.as_deref() == branch || work.is_some();
        return if is_settled { Move::Stay } else { Move::Go };
    }
    if let Some(work) = work {
        return Move::Blocked(work);
    }
    let placed = survey.record.as_ref().map(|record| &record.placed);
    if relation.behind || placed == Some(head) {
        return Move::Go;
    }
    if relation.ahead {
        return Move::Blocked("it has commits that are not upstream; push them".to_owned());
    }
    Move::Blocked("it has diverged from upstream; rebase or merge, and push".to_owned())
}

/// Brings a checkout to its commit.
///
/// # Errors
/// [`GuestError::Blocked`] when somebody's work is in the way; [`GuestError::Failed`] with git's words.
pub(crate) async fn sync(
    op: &Operator<'_>,
    name: &str,
    spec: &CheckoutSpec,
    stamp: &Stamp,
    user: &str,
) -> Result<(), GuestError> {
    let doing = format!("checking out {name}");
    let CheckoutSpec { url, reference, .. } = spec;
    let Some(target) = &spec.revision else {
        let reason = format!("`{reference}` of {url} is not resolved");
        return Err(op.blocked(&doing, reason));
    };
    let tree = Tree {
        op,
        doing: &doing,
        user,
        dir: format!("{}/src/{name}", op.layout.root),
    };
    let mut survey = tree.survey().await?;
    let relation = match &survey.head {
        Some(_) => tree.fetch(spec, target, &survey).await?,
        None => Relation::default(),
    };
    match decide(&survey, relation, reference, target) {
        Move::Blocked(reason) => return Err(op.blocked(&doing, reason)),
        Move::Stay => {}
        Move::Go => {
            let place = [&tree.dir, url, reference, target.as_str()];
            tree.git(Command::script(PLACE).args(place)).await?;
            survey = tree.survey().await?;
        }
    }
    let record = CheckoutRecord {
        stamp: stamp.clone(),
        placed: target.clone(),
        branch: survey.branch,
    };
    let keep = Command::script(RECORD).args([&tree.dir, name]);
    let keep = keep.stdin(record::line(&record) + "\n").as_user(user);
    op.run(&doing, &keep, ASK_WITHIN).await
}

/// One checkout, worked on as the people's account.
struct Tree<'a> {
    op: &'a Operator<'a>,
    doing: &'a str,
    user: &'a str,
    dir: String,
}

impl Tree<'_> {
    async fn survey(&self) -> Result<Survey, GuestError> {
        let command = Command::script(SURVEY).arg(&self.dir).as_user(self.user);
        Ok(Survey::read(&self.op.ask(self.doing, &command).await?))
    }

    async fn git(&self, command: Command) -> Result<(), GuestError> {
        let command = quiet(command).as_user(self.user);
        self.op.run(self.doing, &command, CLONE_WITHIN).await
    }

    /// Fetches from the declared URL and says where HEAD stands to `target`.
    async fn fetch(
        &self,
        spec: &CheckoutSpec,
        target: &Revision,
        survey: &Survey,
    ) -> Result<Relation, GuestError> {
        let git = || Command::new("git").args(["-C", &self.dir]);
        if survey.url != spec.url {
            let change = git().args(["remote", "set-url", "origin", &spec.url]);
            self.git(change).await?;
        }
        let fetch = ["fetch", "--quiet", "--prune", "--tags", "--force", "origin"];
        self.git(git().args(fetch)).await?;
        let relate = [&self.dir, &spec.reference, target.as_str()];
        let relate = quiet(Command::script(RELATE).args(relate)).as_user(self.user);
        Ok(Relation::read(&self.op.ask(self.doing, &relate).await?))
    }
}

/// Never waits for a person to type.
fn quiet(command: Command) -> Command {
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
        .env("LC_ALL", "C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EnvName, Key, OwnerName};

    fn revision(digit: char) -> Revision {
        Revision::parse(&digit.to_string().repeat(40)).unwrap()
    }

    /// A checkout of `main` at `head`, where we had put it at `placed`.
    fn survey(head: char, placed: char) -> Survey {
        let stamp = Stamp {
            owner: OwnerName::parse("acme").unwrap(),
            env: EnvName::parse("shop").unwrap(),
            key: Key::Checkout("app".to_owned()),
            digest: None,
            revision: None,
            created: "2026-01-01T00:00:00Z".parse().unwrap(),
            born: None,
        };
        let record = CheckoutRecord {
            stamp,
            placed: revision(placed),
            branch: Some("main".to_owned()),
        };
        let line = record::line(&record);
        let head = revision(head);
        Survey::read(&format!(
            "head\t{head}\nbranch\tmain\nurl\thttp://x\nrecord\t{line}\nunpushed\t0\n"
        ))
    }

    const BEHIND: Relation = Relation {
        tracks: true,
        behind: true,
        ahead: false,
    };
    const APART: Relation = Relation {
        tracks: true,
        behind: false,
        ahead: false,
    };

    fn blocked(decision: &Move) -> &str {
        match decision {
            Move::Blocked(reason) => reason,
            Move::Stay | Move::Go => panic!("not blocked: {decision:?}"),
        }
    }

    #[test]
    fn a_new_commit_is_followed_and_the_same_one_is_left_alone() {
        let target = revision('b');
        assert_eq!(decide(&survey('a', 'a'), BEHIND, "main", &target), Move::Go);
        assert_eq!(
            decide(&survey('b', 'a'), BEHIND, "main", &target),
            Move::Stay
        );
        let absent = Survey::read("absent\t\n");
        assert_eq!(
            decide(&absent, Relation::default(), "main", &target),
            Move::Go
        );
    }

    #[test]
    fn a_forced_push_is_followed_only_from_where_we_had_put_it() {
        let target = revision('c');
        assert_eq!(decide(&survey('a', 'a'), APART, "main", &target), Move::Go);
        let decision = decide(&survey('b', 'a'), APART, "main", &target);
        assert!(blocked(&decision).contains("diverged"));
    }

    #[test]
    fn work_of_a_person_is_never_in_the_way_silently() {
        let target = revision('b');
        let mut changed = survey('a', 'a');
        changed.take("changed", "app.py");
        assert!(blocked(&decide(&changed, BEHIND, "main", &target)).contains("app.py"));

        let mut committed = survey('a', 'a');
        committed.take("unpushed", "2");
        let decision = decide(&committed, BEHIND, "main", &target);
        assert!(blocked(&decision).contains("2 commits are not pushed"));

        let mut elsewhere = survey('a', 'a');
        elsewhere.take("branch", "feature");
        let decision = decide(&elsewhere, BEHIND, "main", &target);
        assert!(blocked(&decision).contains("`feature`"));
    }

    #[test]
    fn something_else_at_its_path_stays() {
        let foreign = Survey::read("foreign\t\n");
        blocked(&decide(
            &foreign,
            Relation::default(),
            "main",
            &revision('a'),
        ));
    }

    #[test]
    fn a_tag_is_checked_out_without_a_branch() {
        let tag = Relation {
            tracks: false,
            behind: true,
            ahead: true,
        };
        let on_branch = survey('a', 'a');
        assert_eq!(decide(&on_branch, tag, "v1", &revision('a')), Move::Go);
    }
}
