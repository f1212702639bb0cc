//! What a repository offers, and which commit a reference stands for. Pure.

use std::collections::BTreeMap;

use git2::Oid;

use super::location::redacted;
use crate::port::SourceError;

/// Names offered as "did you mean" at most.
const SUGGESTIONS: usize = 3;
/// How alike a name must be to be suggested (Jaro-Winkler).
const LIKENESS: f64 = 0.75;
const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";
/// What git appends to the name of an annotated tag for the commit that it stands for.
const PEELED: &str = "^{}";

/// The references of a repository as it advertised them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub refs: BTreeMap<String, Oid>,
    /// The branch that `HEAD` names.
    pub head: Option<String>,
}

/// A reference that was found: its full name, and the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub name: String,
    pub commit: Oid,
}

impl Listing {
    /// The branch to follow: the one named, else the one that `HEAD` stands for.
    pub fn branch(&self, url: &str, wanted: Option<&str>) -> Result<Found, SourceError> {
        if self.refs.is_empty() {
            return Err(SourceError::Empty { url: redacted(url) });
        }
        match wanted {
            Some(branch) => self
                .first_of([format!("{BRANCHES}{branch}"), branch.to_owned()])
                .ok_or_else(|| self.no_reference(url, branch)),
            None => self.head().ok_or_else(|| self.no_head(url)),
        }
    }

    /// The commit of a branch, of a tag, or of a full reference name; a branch goes before a tag.
    pub fn resolve(&self, url: &str, reference: &str) -> Result<Oid, SourceError> {
        if self.refs.is_empty() {
            return Err(SourceError::Empty { url: redacted(url) });
        }
        if reference == "HEAD" {
            let head = self.head().ok_or_else(|| self.no_head(url))?;
            return Ok(head.commit);
        }
        self.first_of([
            format!("{BRANCHES}{reference}"),
            format!("{TAGS}{reference}"),
            reference.to_owned(),
        ])
        .map(|found| found.commit)
        .ok_or_else(|| self.no_reference(url, reference))
    }

    fn first_of<const N: usize>(&self, names: [String; N]) -> Option<Found> {
        names.into_iter().find_map(|name| {
            let peeled = self.refs.get(&format!("{name}{PEELED}"));
            let commit = *peeled.or_else(|| self.refs.get(&name))?;
            Some(Found { name, commit })
        })
    }

    fn head(&self) -> Option<Found> {
        let named = self.head.clone().and_then(|name| self.first_of([name]));
        named.or_else(|| self.first_of(["HEAD".to_owned()]))
    }

    fn no_head(&self, url: &str) -> SourceError {
        let branch = self.head.as_deref().unwrap_or("HEAD");
        self.no_reference(url, branch.strip_prefix(BRANCHES).unwrap_or(branch))
    }

    fn no_reference(&self, url: &str, reference: &str) -> SourceError {
        SourceError::NoReference {
            url: redacted(url),
            reference: reference.to_owned(),
            hint: self.hint(reference),
        }
    }

    /// The names nearest to what was asked for, or some that there are.
    fn hint(&self, reference: &str) -> String {
        let names = self.names();
        let mut alike: Vec<(f64, &str)> = names
            .iter()
            .map(|name| (strsim::jaro_winkler(reference, name), *name))
            .filter(|(likeness, _)| *likeness >= LIKENESS)
            .collect();
        alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let quote = |name: &&str| format!("`{name}`");
        let nearest: Vec<String> = alike
            .iter()
            .take(SUGGESTIONS)
            .map(|(_, n)| quote(n))
            .collect();
        if !nearest.is_empty() {
            return format!("did you mean {}?", nearest.join(" or "));
        }
        let some: Vec<String> = names.iter().take(SUGGESTIONS).map(quote).collect();
        let more = if names.len() > SUGGESTIONS {
            " and others"
        } else {
            ""
        };
        format!("it has {}{more}", some.join(", "))
    }

    /// Branches, then tags that are called otherwise, by the names that people use.
    fn names(&self) -> Vec<&str> {
        let below = |prefix: &'static str| {
            self.refs
                .keys()
                .filter_map(move |name| name.strip_prefix(prefix))
                .filter(|name| !name.ends_with(PEELED))
        };
        let is_no_branch = |tag: &&str| !self.refs.contains_key(&format!("{BRANCHES}{tag}"));
        below(BRANCHES)
            .chain(below(TAGS).filter(is_no_branch))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: char) -> Oid {
        Oid::from_str(&digit.to_string().repeat(40)).unwrap()
    }

    fn listing() -> Listing {
        let refs = [
            ("HEAD", 'a'),
            ("refs/heads/main", 'a'),
            ("refs/heads/release/1.x", 'b'),
            ("refs/tags/v1", 'c'),
            ("refs/tags/v1^{}", 'd'),
            ("refs/tags/light", 'e'),
            ("refs/tags/main", 'f'),
        ];
        Listing {
            refs: refs.map(|(name, id)| (name.to_owned(), oid(id))).into(),
            head: Some("refs/heads/main".to_owned()),
        }
    }

    #[test]
    fn branches_tags_and_full_names_resolve_and_annotated_tags_are_peeled() {
        for (reference, expected) in [
            ("main", 'a'),
            ("HEAD", 'a'),
            ("release/1.x", 'b'),
            ("v1", 'd'),
            ("refs/tags/v1", 'd'),
            ("light", 'e'),
            ("refs/tags/main", 'f'),
        ] {
            assert_eq!(
                listing().resolve("u", reference).unwrap(),
                oid(expected),
                "{reference}"
            );
        }
    }

    #[test]
    fn a_misspelt_branch_gets_the_nearest_names() {
        let error = listing().resolve("u", "mian").unwrap_err().to_string();
        assert!(error.ends_with("did you mean `main`?"), "{error}");
        let error = listing().branch("u", Some("zzz")).unwrap_err().to_string();
        assert!(
            error.ends_with("it has `main`, `release/1.x`, `light` and others"),
            "{error}"
        );
    }

    #[test]
    fn a_tag_is_no_branch_to_follow_unless_named_in_full() {
        assert!(listing().branch("u", Some("v1")).is_err());
        assert_eq!(
            listing()
                .branch("u", Some("refs/tags/light"))
                .unwrap()
                .commit,
            oid('e')
        );
    }

    #[test]
    fn a_head_that_names_no_branch_says_which() {
        let mut listing = listing();
        listing.head = Some("refs/heads/master".to_owned());
        listing.refs.remove("HEAD");
        let error = listing.branch("u", None).unwrap_err().to_string();
        assert!(error.contains("`master`"), "{error}");
        assert!(matches!(
            Listing::default().branch("u", None),
            Err(SourceError::Empty { .. })
        ));
    }
}
