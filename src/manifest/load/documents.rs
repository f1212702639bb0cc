//! The documents in a file: which are ours, of which kind, and called what.

use std::sync::Arc;

use super::super::finding::{Findings, UnitId, meant};
use super::super::schema::{API_VERSION, Kind};
use super::super::shape::{self, shown};
use super::super::yaml::{Data, Fault, Mark, Node};
use super::declared::Document;
use super::files::{Candidate, candidates};
use super::texts::{Held, Texts};
use crate::model::{EnvName, RepoPath, Snapshot};

/// All documents of ours whose kind and name could be read; the rest are findings.
pub(super) fn find(snapshot: &Snapshot, texts: &Texts, findings: &mut Findings) -> Vec<Document> {
    let mut documents = Vec::new();
    for candidate in candidates(snapshot, findings) {
        read_file(&candidate, texts, findings, &mut documents);
    }
    documents
}

fn read_file(
    candidate: &Candidate<'_>,
    texts: &Texts,
    findings: &mut Findings,
    documents: &mut Vec<Document>,
) {
    let Candidate {
        path,
        bytes,
        text,
        is_ours,
    } = candidate;
    if *is_ours && text.trim().is_empty() {
        return findings.unidentified(path, empty_file());
    }
    if *is_ours && looks_like_html(text) {
        return findings.unidentified(path, html());
    }
    let reading = texts.read(bytes, text);
    for document in &reading.documents {
        match identify(&document.root, path, *is_ours) {
            Identity::Known(kind, name) => {
                let unit = findings.new_unit();
                check_shape(kind, path, unit, document, findings);
                documents.push(Document {
                    kind,
                    name,
                    path: (*path).clone(),
                    unit,
                    node: Arc::clone(&document.root),
                });
            }
            Identity::Nameless(kind) => {
                let unit = findings.new_unit();
                findings.hide();
                check_shape(kind, path, unit, document, findings);
            }
            Identity::Unclear(fault) => findings.unidentified(path, fault),
            Identity::Foreign => {}
        }
    }
    if let Some(fault) = reading.fault.clone() {
        findings.unidentified(path, fault);
    }
}

fn check_shape(
    kind: Kind,
    path: &RepoPath,
    unit: UnitId,
    document: &Held,
    findings: &mut Findings,
) {
    let shape::Misshape { faults, secrets } = document.misshape(kind);
    for (from, to) in secrets {
        findings.mask(path, *from, *to);
    }
    for fault in document.notes.iter().chain(faults) {
        findings.error(path, unit, fault.clone());
    }
}

/// What a document is.
enum Identity {
    Known(Kind, EnvName),
    /// Ours, of this kind; its name is missing or is none.
    Nameless(Kind),
    /// It seems to be ours, and cannot be told.
    Unclear(Fault),
    Foreign,
}

fn identify(root: &Arc<Node>, path: &RepoPath, is_ours: bool) -> Identity {
    if !matches!(root.data, Data::Map(_)) {
        return match (&root.data, is_ours) {
            // Nothing but comments: taken out on purpose.
            (Data::Null, true) if root.raw.is_empty() => Identity::Foreign,
            (_, true) => Identity::Unclear(no_document(root)),
            (_, false) => Identity::Foreign,
        };
    }
    let version = root.get("apiVersion");
    let is_of_metrom = version
        .and_then(|v| v.scalar())
        .is_some_and(|v| v.starts_with("metrom.dev/"));
    if !is_of_metrom {
        return foreign_or_unclear(root, version, path, is_ours);
    }
    if let Some(version) = version
        && *version.raw != *API_VERSION
    {
        return Identity::Unclear(other_version(version));
    }
    let Some(kind) = root.get("kind") else {
        let help = format!(
            "write one of {}",
            Kind::ALL.map(|kind| format!("`{kind}`")).join(", ")
        );
        return Identity::Unclear(fault(
            root.mark,
            "missing-field",
            "`kind` is missing".to_owned(),
            help,
        ));
    };
    let Some(known) = kind.text().and_then(Kind::parse) else {
        return Identity::Unclear(unknown_kind(kind));
    };
    let name = root
        .get("metadata")
        .and_then(|m| m.get("name"))
        .and_then(|n| n.text());
    // One rule holds for the names of all kinds.
    match name.map(EnvName::parse) {
        Some(Ok(name)) => Identity::Known(known, name),
        Some(Err(_)) | None => Identity::Nameless(known),
    }
}

/// A map without our version: somebody else's, unless it lies among ours and is dressed as one.
fn foreign_or_unclear(
    root: &Node,
    version: Option<&Arc<Node>>,
    path: &RepoPath,
    is_ours: bool,
) -> Identity {
    let is_dressed = ["kind", "metadata", "spec"]
        .iter()
        .any(|key| root.get(key).is_some());
    let must_be_ours = matches!(
        path.file_name(),
        "metrom.yaml" | "metrom.yml" | "template.yaml" | "template.yml"
    );
    match version {
        _ if !is_ours => Identity::Foreign,
        Some(version) => Identity::Unclear(other_version(version)),
        None if is_dressed || must_be_ours => {
            let help = format!("begin it with `apiVersion: {API_VERSION}`");
            Identity::Unclear(fault(
                root.mark,
                "missing-field",
                "`apiVersion` is missing".to_owned(),
                help,
            ))
        }
        None => Identity::Foreign,
    }
}

fn looks_like_html(text: &str) -> bool {
    let start: String = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .chars()
        .take(15)
        .collect();
    let start = start.to_ascii_lowercase();
    ["<!doctype", "<html", "<head", "<body", "<?xml", "<!--"]
        .iter()
        .any(|tag| start.starts_with(tag))
}

fn html() -> Fault {
    fault(
        Mark::START,
        "html",
        "this is HTML, not YAML".to_owned(),
        "it was probably saved from a web page; take the file itself (\"raw\")".to_owned(),
    )
}

fn empty_file() -> Fault {
    fault(
        Mark::START,
        "empty-file",
        "this file is empty".to_owned(),
        "write a document, or delete the file when nothing should be declared".to_owned(),
    )
}

fn no_document(root: &Node) -> Fault {
    fault(
        root.mark,
        "no-document",
        format!("this is {}, not a document", shape::a_kind(root)),
        format!("begin it with `apiVersion: {API_VERSION}`"),
    )
}

fn other_version(version: &Node) -> Fault {
    let written = version.scalar().unwrap_or_default();
    fault(
        version.mark,
        "unknown-version",
        format!(
            "`apiVersion` is {}, which this Metrom does not read",
            shown(written)
        ),
        format!("write `{API_VERSION}`"),
    )
}

fn unknown_kind(kind: &Node) -> Fault {
    let written = kind.scalar().unwrap_or_default();
    let message = format!("there is no kind {}", shown(written));
    let help = meant(written, Kind::ALL.map(Kind::word));
    Fault {
        mark: kind.mark,
        code: "unknown-kind",
        message,
        help,
    }
}

fn fault(mark: Mark, code: &'static str, message: String, help: String) -> Fault {
    Fault {
        mark,
        code,
        message,
        help: Some(help),
    }
}
