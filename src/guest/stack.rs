//! A compose project on a machine: its files, its `.env`, `docker compose up`, and how it came out.
//!
//! Compose itself does the work, so its whole specification holds. Around it: what it needs is
//! written first, what we wrote and no longer declare is removed, and a record says what was
//! applied, so that a later look can tell drift.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};

use super::compose::Model;
use super::container::{self, Container, Standing};
use super::files::{self, Change, NewFile};
use super::operator::Operator;
use super::record::{self, ResolvedImage, StackRecord};
use super::{advice, docker, dotenv};
use crate::model::{ComposeSource, Digest, StackSpec, Stamp, Variable};
use crate::port::{GuestError, Secrets};
use crate::ssh::Command;

const COMPOSE: &str = include_str!("scripts/compose.sh");
const ADOPT_VOLUMES: &str = include_str!("scripts/adopt-volumes.sh");
const HOLD_IMAGES: &str = include_str!("scripts/hold-images.sh");
const OVERLAY: &str = "stack.overlay.json";
/// The files of a stopped stack; see `compose-stop.sh`.
const SAVED: &str = "stack.saved.tar";
const DOING: &str = "compose up";

/// Pulling and building everything over a slow line; an emulated processor unpacks slowly.
const UP_WITHIN: Duration = Duration::from_secs(3600);
/// From the last container started to the last health check passed.
const HEALTHY_WITHIN: Duration = Duration::from_secs(600);
/// How long a container may fail and be started again by its restart policy.
const FIRST_FAULTS: Duration = Duration::from_secs(45);
/// Compose reads files and asks nobody; emulated machines take a minute to start it.
const CONFIG_WITHIN: Duration = Duration::from_secs(300);
/// How `timeout` ends when the program did not.
const TIMED_OUT: u32 = 124;
/// Between two looks at containers that are starting.
const PAUSE: Duration = Duration::from_secs(2);
/// What is left for the other side to end by itself before we stop listening.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// Lines of a container's own log in a message.
const LOG_LINES: &str = "20";

/// What the images of services were resolved to, by service.
type Images = BTreeMap<String, ResolvedImage>;

/// Writes the files and applies compose until every service is up and healthy.
///
/// # Errors
/// [`GuestError::Blocked`] when compose does not accept the file or a value cannot be brought into
/// it; [`GuestError::Failed`] with compose's last lines and the logs of the services that failed.
pub(crate) async fn apply(
    op: &mut Operator<'_>,
    spec: &StackSpec,
    stamp: &Stamp,
    secrets: &dyn Secrets,
) -> Result<(), GuestError> {
    let variables = variables(op, spec, secrets)?;
    let write = written(spec, &variables);
    let digests = |(path, file): (&String, &NewFile)| (path.clone(), Digest::of_bytes(&file.bytes));
    let stack = Stack { op, spec };
    let before = recorded(stack.op).await?;
    if before.is_none() {
        stack.adopt_volumes().await?;
    }
    let (old, images) = before.map(|r| (r.files, r.images)).unwrap_or_default();
    let mut record = StackRecord {
        stamp: stamp.clone(),
        project: spec.project.to_string(),
        services: BTreeMap::new(),
        images,
        files: write.iter().map(digests).collect(),
    };
    op.phase("files", stack.write(&record, &write, old)).await?;
    let model = op.phase("config", stack.model()).await?;
    stack.hold_images(&model, &record.images).await?;
    let overlay = model.overlay(&stack.content(&record));
    op.phase("compose", stack.up(&model, overlay)).await?;

    record.images.clear();
    for container in stack.containers().await? {
        let (name, id) = (container.image, container.image_digest);
        let service = container.service;
        record
            .images
            .insert(service.clone(), ResolvedImage { name, id });
        record.services.insert(service, container.config_hash);
    }
    stack
        .keep([("stamps/stack.json", record::line(&record))])
        .await
}

/// The `.env` lines; secrets are looked up now and hidden from everything that is printed.
fn variables(
    op: &mut Operator<'_>,
    spec: &StackSpec,
    secrets: &dyn Secrets,
) -> Result<SecretString, GuestError> {
    let mut text = String::new();
    for (name, variable) in &spec.variables {
        let line = match variable {
            Variable::Plain(value) => dotenv::line(name, value),
            Variable::Secret(reference) => {
                let value = secrets.resolve(reference)?;
                op.hide(&value);
                dotenv::line(name, value.expose_secret())
            }
        };
        text += &line.map_err(|e| op.blocked(DOING, e.to_string()))?;
    }
    Ok(SecretString::from(text))
}

/// The files of the stack's folder. A `.env` of the template comes before ours: the later line wins.
fn written(spec: &StackSpec, variables: &SecretString) -> BTreeMap<String, NewFile> {
    let mut files = BTreeMap::new();
    let mut env = Vec::new();
    for (path, content) in &spec.files {
        if path == ".env" {
            env.extend_from_slice(&content.bytes);
            env.push(b'\n');
            continue;
        }
        let mode = if content.executable { 0o755 } else { 0o644 };
        let bytes = content.bytes.to_vec();
        files.insert(path.clone(), NewFile { bytes, mode });
    }
    env.extend_from_slice(variables.expose_secret().as_bytes());
    let env = NewFile {
        bytes: env,
        mode: 0o600,
    };
    files.insert(".env".to_owned(), env);
    files
}

/// What `sha256sum --check` reads.
fn manifest(files: &BTreeMap<String, Digest>) -> String {
    let line = |(path, digest): (&String, &Digest)| {
        let escaped = path.replace('\\', r"\\").replace('\n', r"\n");
        let mark = if escaped == *path { "" } else { "\\" };
        format!("{mark}{digest}  {escaped}\n")
    };
    files.iter().map(line).collect()
}

pub(crate) fn folder(op: &Operator<'_>) -> String {
    format!("{}/stack", op.layout.root)
}

pub(crate) fn lock(op: &Operator<'_>) -> String {
    format!("{}/compose.lock", op.layout.state)
}

pub(crate) async fn recorded(op: &Operator<'_>) -> Result<Option<StackRecord>, GuestError> {
    let path = format!("{}/stamps/stack.json", op.layout.state);
    let asking = Command::new("cat").arg(path).as_root();
    Ok(record::read(&op.try_ask(DOING, &asking).await?.out))
}

/// One stack being applied.
struct Stack<'a, 'o> {
    op: &'a Operator<'o>,
    spec: &'a StackSpec,
}

impl Stack<'_, '_> {
    /// Writes down what will be there, then makes it so.
    ///
    /// Until the apply is through, the record has a digest that no declaration has: a stack that
    /// stays halfway is shown, and applied again. `old`: the files that were written before.
    async fn write(
        &self,
        record: &StackRecord,
        write: &BTreeMap<String, NewFile>,
        old: BTreeMap<String, Digest>,
    ) -> Result<(), GuestError> {
        let mut halfway = record.clone();
        halfway.stamp.digest = Some(Digest::of(&("halfway", &record.stamp.digest)));
        halfway.files.extend(old.clone());
        self.keep([
            ("stamps/stack.json", record::line(&halfway)),
            ("stack.sha256", manifest(&record.files)),
        ])
        .await?;
        let is_gone = |path: &String| !write.contains_key(path);
        let change = Change {
            folder: &folder(self.op),
            owner: None,
            write,
            remove: &old.into_keys().filter(is_gone).collect(),
        };
        files::change(self.op, "writing the files of the stack", &change).await
    }

    /// Makes volumes that came with the data of another environment those of this one.
    async fn adopt_volumes(&self) -> Result<(), GuestError> {
        let (root, project) = (&self.op.layout.root, self.spec.project.as_str());
        let command = Command::script(ADOPT_VOLUMES).args([root, project]);
        self.op.ask(DOING, &command.as_root()).await.map(|_| ())
    }

    /// Lets the names of images mean again what they meant at the last apply, whatever somebody has
    /// pulled or tagged since; what the file names otherwise now is not held.
    async fn hold_images(&self, model: &Model, resolved: &Images) -> Result<(), GuestError> {
        let held = model.pulled().filter_map(|(service, name)| {
            let image = resolved.get(service)?;
            let can_be_tagged = !name.contains('@');
            (image.name == name && can_be_tagged).then_some([image.id.as_str(), name])
        });
        let pairs: Vec<&str> = held.flatten().collect();
        if pairs.is_empty() {
            return Ok(());
        }
        let command = Command::script(HOLD_IMAGES).args(pairs).as_root();
        self.op.ask(DOING, &command).await.map(|_| ())
    }

    /// Writes files of ours beside the record. From now on another stack is on its way than the one
    /// that may have been stopped: the copy of that one's files goes.
    async fn keep<const N: usize>(&self, files: [(&str, String); N]) -> Result<(), GuestError> {
        let new = |(name, text): (&str, String)| {
            let file = NewFile {
                bytes: (text + "\n").into_bytes(),
                mode: 0o600,
            };
            (name.to_owned(), file)
        };
        let change = Change {
            folder: &self.op.layout.state,
            owner: None,
            write: &files.into_iter().map(new).collect(),
            remove: &BTreeSet::from([SAVED.to_owned()]),
        };
        files::change(self.op, "recording the stack", &change).await
    }

    /// `docker compose` for this stack with those options.
    fn compose(&self, within: Duration, files: &[&str], args: &[&str]) -> Command {
        let root = &self.op.layout.root;
        let (file, env_beside) = match &self.spec.compose {
            ComposeSource::Files { file } => (format!("{root}/stack/{file}"), String::new()),
            ComposeSource::Checkout { name, file } => {
                let file = format!("{root}/src/{name}/{file}");
                let beside = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                let env = format!("{beside}/.env");
                (file, env)
            }
        };
        let mut command = Command::script(COMPOSE)
            .arg(lock(self.op))
            .arg(within.as_secs().to_string())
            .arg(env_beside)
            .arg(format!("{root}/stack/.env"))
            .args([
                "--project-name",
                self.spec.project.as_str(),
                "--file",
                &file,
            ]);
        for more in files {
            command = command.args(["--file", more]);
        }
        command.args(args.iter().copied()).as_root()
    }

    /// The stack as compose understands it.
    async fn model(&self) -> Result<Model, GuestError> {
        let command = self.compose(CONFIG_WITHIN, &[], &["config", "--format", "json"]);
        let ended = self.op.try_ask(DOING, &command).await?;
        if ended.code == TIMED_OUT {
            let waited = CONFIG_WITHIN.as_secs();
            let reason = format!("`docker compose config` has not ended within {waited} s");
            return Err(self.op.failed(DOING, reason));
        }
        if ended.code != 0 {
            let reason = format!("docker compose does not accept the file: {}", ended.tail);
            return Err(self.op.blocked(DOING, reason));
        }
        let unexpected = |e| {
            self.op
                .failed(DOING, format!("unexpected compose config: {e}"))
        };
        Model::read(&ended.out).map_err(unexpected)
    }

    /// What the services may mount, by absolute path, with a fingerprint. Not `.env`: a fingerprint
    /// in a label would tell about secrets.
    fn content(&self, record: &StackRecord) -> BTreeMap<String, String> {
        let root = &self.op.layout.root;
        let files = record.files.iter().filter(|(path, _)| *path != ".env");
        let files =
            files.map(|(path, digest)| (format!("{root}/stack/{path}"), digest.to_string()));
        let trees = self.spec.sources.iter().filter_map(|(name, revision)| {
            Some((format!("{root}/src/{name}"), revision.as_ref()?.to_string()))
        });
        files.chain(trees).collect()
    }

    async fn up(&self, model: &Model, overlay: Option<String>) -> Result<(), GuestError> {
        let overlay_path = format!("{}/{OVERLAY}", self.op.layout.state);
        let mut files = Vec::new();
        if let Some(text) = overlay {
            self.keep([(OVERLAY, text)]).await?;
            files.push(overlay_path.as_str());
        }
        // Without `--wait`, which gives up as soon as any container ends, even a task that came to
        // its proper end, and so could not be told from a failure.
        let mut args = vec!["up", "--detach", "--remove-orphans", "--quiet-pull"];
        if model.builds() {
            args.push("--build");
        }
        let command = self.compose(UP_WITHIN, &files, &args);
        let ended = self.op.attempt(DOING, &command, UP_WITHIN + GRACE).await?;
        if ended.code == 0 {
            return self.settle(model).await;
        }
        let mut faults = self.missing_images(model).await?;
        if let Standing::Failed(more) = container::standing(model, &self.containers().await?) {
            faults.extend(more);
        }
        Err(self.failed(faults, &ended.tail).await?)
    }

    /// The services whose image is not on the machine: compose's own words name only the service.
    async fn missing_images(
        &self,
        model: &Model,
    ) -> Result<Vec<(String, Option<String>)>, GuestError> {
        let mut missing = Vec::new();
        for (service, image) in model.pulled() {
            let looking = Command::new("docker").args(["image", "inspect", "--format", ".", image]);
            if self.op.try_ask(DOING, &looking.as_root()).await?.code != 0 {
                let words = format!("image `{image}` of service `{service}` cannot be pulled");
                missing.push((words, None));
            }
        }
        Ok(missing)
    }

    /// Waits until every service is up and healthy. A container that ended or restarts is given
    /// a little time: it may have come before the one that it needs.
    async fn settle(&self, model: &Model) -> Result<(), GuestError> {
        let began = Instant::now();
        loop {
            match container::standing(model, &self.containers().await?) {
                Standing::Up => return Ok(()),
                Standing::Failed(_) if began.elapsed() < FIRST_FAULTS => {}
                Standing::Failed(faults) => return Err(self.failed(faults, "").await?),
                Standing::Starting if began.elapsed() < HEALTHY_WITHIN => {}
                Standing::Starting => {
                    let waited = HEALTHY_WITHIN.as_secs();
                    let output = format!("not healthy after {waited} s");
                    return Err(self.op.failed(DOING, output));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn failed(
        &self,
        faults: Vec<(String, Option<String>)>,
        tail: &str,
    ) -> Result<GuestError, GuestError> {
        let mut output = vec![tail.to_owned()];
        for (words, container) in faults {
            output.push(words);
            let Some(container) = container else {
                continue;
            };
            let logs = ["logs", "--tail", LOG_LINES, &container];
            let logs = Command::new("docker").args(logs).as_root();
            let log = self.op.try_ask(DOING, &logs).await?;
            let lines = [&log.out, &log.tail];
            let lines = lines.iter().flat_map(|text| text.lines());
            output.extend(lines.map(|line| format!("  | {}", self.op.cleaned(line))));
        }
        Ok(self
            .op
            .failed(DOING, advice::with(output.join("\n").trim())))
    }

    async fn containers(&self) -> Result<Vec<Container>, GuestError> {
        let failed = |e: bollard::errors::Error| self.op.failed("asking Docker", e.to_string());
        let session = std::sync::Arc::clone(&self.op.session);
        let docker = docker::connect(session, &self.op.layout.docker_socket);
        let docker = docker.await.map_err(failed)?;
        let listed = container::list(&docker, self.spec.project.as_str());
        listed.await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_what_sha256sum_reads() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = BTreeMap::new();
        for name in ["plain", "with space", "back\\slash", "new\nline"] {
            std::fs::write(folder.path().join(name), name).unwrap();
            files.insert(name.to_owned(), Digest::of_bytes(name.as_bytes()));
        }
        let list = folder.path().join("list");
        std::fs::write(&list, manifest(&files)).unwrap();
        let check = |list| {
            let mut command = std::process::Command::new("sha256sum");
            command.args(["--check", "--quiet"]).arg(list);
            command.current_dir(folder.path()).output().unwrap()
        };
        let output = check(&list);
        assert!(output.status.success(), "{output:?}");
        std::fs::write(folder.path().join("plain"), "changed").unwrap();
        assert_eq!(check(&list).stdout, b"plain: FAILED\n");
    }
}
