//! Everything around the story: its repositories and servers, a state folder, and the program.
//!
//! All that the program says is gathered in files: for whoever reads a failure, and because in the
//! end it is searched for secrets.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::host::{self, Foreign};
use super::http::{self, Answer};
use super::process::{Output, Running, run, run_with_input, tail};
use super::repository::{Repository, git};
use super::silent::Silent;
use super::wait::{COMMAND, SOON, seen, until};

pub const ENV: &str = "journal";
pub const OWNER: &str = "acme";
pub const DOMAIN: &str = "metrom-journal";
/// The one service of the stack.
pub const SERVICE: &str = "web";
/// The repository as the program knows it: over HTTP, so that no change is seen but by a look.
pub const REPOSITORY: &str = "http://10.77.0.1:8080/environments.git";

/// This machine as its virtual machines see it; the same as in example-repo.
const ADDRESS: &str = "10.77.0.1";
/// Where `metrom serve` listens when nobody says otherwise.
const API: &str = "127.0.0.1:8181";

/// What must be seen in the container and nowhere else.
pub const PASSWORD: &str = "tell-nobody-4f1d7c09ab";
const WEBHOOK_SECRET: &str = "tell-nobody-either-77e2";
pub const SECRETS: [&str; 2] = [PASSWORD, WEBHOOK_SECRET];

pub struct Bed {
    pub repository: Repository,
    pub foreign: Foreign,
    /// Names what is gathered, in the order in which it came.
    number: Cell<u32>,
    /// What is waited for beside the story.
    pub silent: Option<Silent>,
    /// What was in the data volume before the environment ended.
    sums: Option<String>,
    // In the order in which they end.
    serve: Option<Running>,
    _servers: Servers,
    root: TempDir,
}

impl Bed {
    pub fn new() -> Self {
        require_sandbox();
        let root = tempfile::tempdir().unwrap();
        for folder in ["gathered", "state", "repositories/environments.git"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        std::os::unix::fs::symlink(cached_images(), root.path().join("state/images")).unwrap();
        let repository = environments(root.path());
        publish_source(root.path());
        Self {
            foreign: Foreign::new(root.path()),
            _servers: Servers::start(root.path()),
            root,
            repository,
            silent: None,
            sums: None,
            serve: None,
            number: Cell::new(0),
        }
    }

    // --- the program on the command line -------------------------------------------------------

    /// Runs the program to its end.
    pub fn metrom(&self, args: &[&str]) -> Output {
        self.metrom_within(COMMAND, args)
    }

    pub fn metrom_within(&self, within: Duration, args: &[&str]) -> Output {
        self.start(args).wait(within)
    }

    /// Starts the program.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrom"));
        let ours = std::env::vars_os().map(|(name, _)| name);
        for name in ours.filter(|name| name.to_string_lossy().starts_with("METROM_")) {
            command.env_remove(name);
        }
        command
            .args(args)
            .current_dir(self.root.path())
            .env("METROM_REPO", REPOSITORY)
            .env("METROM_STATE", self.state())
            .env("METROM_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .env("JOURNAL_PASSWORD", PASSWORD);
        Running::start(&mut command, &self.gathered(args[0]))
    }

    /// Runs a program in the environment's container, by way of the machine; what it wrote.
    pub fn in_container(&self, command: &[&str]) -> Vec<u8> {
        let container = format!("{ENV}-{SERVICE}-1");
        let way = ["exec", ENV, "--", "docker", "exec", &container];
        self.metrom(&[&way[..], command].concat())
            .with_code(0)
            .stdout
    }

    /// The checksums of what an environment keeps in its data volume.
    pub fn sums(&self, env: &str) -> String {
        let container = format!("{env}-{SERVICE}-1");
        let count = "cd /notes && find . -type f -exec sha256sum {} + | sort";
        let way = ["exec", env, "--", "docker", "exec", &container, "sh", "-c"];
        let sums = self.metrom(&[&way[..], &[count]].concat()).with_code(0);
        let sums = sums.text();
        assert!(!sums.is_empty(), "{env} keeps nothing");
        sums
    }

    /// Keeps the checksums for when the environment is gone.
    pub fn keep_sums(&mut self) {
        self.sums = Some(self.sums(ENV));
    }

    pub fn sums_before_the_end(&self) -> &str {
        self.sums.as_deref().expect("they were kept")
    }

    pub fn container_id(&self) -> String {
        self.of_container("{{.Id}}")
    }

    /// The image that the container was made from.
    pub fn image_id(&self) -> String {
        self.of_container("{{.Image}}")
    }

    fn of_container(&self, format: &str) -> String {
        let container = format!("{ENV}-{SERVICE}-1");
        let asking = ["docker", "inspect", "--format", format, &container];
        let asked = self.metrom(&[&["exec", ENV, "--"], &asking[..]].concat());
        asked.with_code(0).text()
    }

    // --- the program as a service ----------------------------------------------------------------

    pub fn serve(&mut self) {
        self.serve = Some(self.start(&["serve"]));
        self.until_served("the first answer", |bed| {
            let answer = bed.ask("/healthz")?;
            seen(
                answer.status == 200 && answer.body == "ok\n",
                format!("{answer:?}"),
            )
        });
    }

    pub fn is_served(&self) -> bool {
        self.serve.is_some()
    }

    pub fn stop_serve(&mut self) -> Output {
        self.serve.take().expect("it was started").stop()
    }

    pub fn serve_log(&self) -> String {
        self.serve.as_ref().expect("it was started").log()
    }

    /// Waits for a state in which the service puts things, as long as it runs.
    pub fn until_served<T>(&self, what: &str, look: impl FnMut(&Self) -> Result<T, String>) -> T {
        self.until_served_within(SOON, what, look)
    }

    pub fn until_served_within<T>(
        &self,
        within: Duration,
        what: &str,
        mut look: impl FnMut(&Self) -> Result<T, String>,
    ) -> T {
        let serve = self.serve.as_ref().expect("it was started");
        super::wait::until_inside(what, within, || {
            serve.require_running();
            look(self)
        })
    }

    /// What the API says.
    pub fn ask(&self, path: &str) -> Result<Answer, String> {
        let answer = http::get(API, path)?;
        let name = path.replace(['/', '?', '='], "-");
        std::fs::write(self.gathered(&name).with_extension("http"), &answer.body).unwrap();
        Ok(answer)
    }

    pub fn ask_json(&self, path: &str) -> Result<Value, String> {
        let answer = self.ask(path)?;
        seen(answer.status == 200, format!("{path}: {answer:?}"))?;
        Ok(answer.json())
    }

    /// The environment as the service sees it now.
    pub fn environment(&self) -> Result<Value, String> {
        self.ask_json(&format!("/api/v1/environments/{ENV}"))
    }

    /// All that was done to the environment, the newest first.
    pub fn runs(&self) -> Result<Vec<Value>, String> {
        let runs = self.ask_json(&format!("/api/v1/runs?environment={ENV}"))?;
        Ok(runs.as_array().expect("a list").clone())
    }

    /// That the environment is as this revision declares it, and healthy.
    pub fn is_healthy_at(&self, revision: &str) -> Result<(), String> {
        let environment = self.environment()?;
        let is_so = environment["status"] == "healthy" && environment["revision"] == revision;
        seen(is_so, environment)
    }

    /// A number of the service's own.
    pub fn metric(&self, name: &str) -> Result<f64, String> {
        let text = self.ask("/metrics")?.body;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        let value = value.and_then(|value| value.parse().ok());
        value.ok_or_else(|| format!("there is no `{name}` in {text}"))
    }

    /// Tells the service of a push, with a signature or what somebody takes for one.
    pub fn send_webhook(&self, body: &str, signature: Option<&str>) -> Answer {
        let header = signature.map(|value| format!("X-Metrom-Signature-256: {value}"));
        http::post(API, "/hooks/generic", &header.unwrap_or_default(), body).unwrap()
    }

    // --- the environment as its users see it -------------------------------------------------------

    /// The text at a path of the environment's web server.
    pub fn page(&self, path: &str) -> Result<String, String> {
        let answer = http::get(&format!("{}:80", self.address()?), path)?;
        seen(answer.status == 200, format!("{path}: {answer:?}"))?;
        Ok(answer.body)
    }

    /// The machine that has the data, by its name.
    pub fn domain(&self) -> Result<String, String> {
        let has_data = |domain: &&String| {
            let disks = host::virsh(&["domblklist", domain]);
            disks.contains(&format!(".data.{OWNER}."))
        };
        let domains = host::domains(ENV);
        let domain = domains.iter().find(has_data);
        domain
            .cloned()
            .ok_or_else(|| format!("none of {domains:?} has the data"))
    }

    /// The machine's address, as its network knows it.
    pub fn address(&self) -> Result<String, String> {
        let domain = self.domain()?;
        let leases = host::virsh(&["domifaddr", &domain]);
        let address = leases
            .split_whitespace()
            .find_map(|word| word.split_once('/'));
        let (address, _) = address.ok_or_else(|| format!("{domain} has no address: {leases}"))?;
        Ok(address.to_owned())
    }

    // --- folders -------------------------------------------------------------------------------------

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// Everything that the program said, and what was kept of what it made.
    pub fn gathering(&self) -> PathBuf {
        self.root.path().join("gathered")
    }

    /// Keeps what goes away with the machine.
    pub fn gather_machine(&self) {
        let domain = self.domain().unwrap();
        let console = self.gathered("console").with_extension("log");
        std::fs::write(console, host::console(&domain)).unwrap();
        let definition = host::virsh(&["dumpxml", "--security-info", &domain]);
        std::fs::write(self.gathered("domain").with_extension("xml"), definition).unwrap();
        let seed = host::path(&format!("{domain}.seed.img"));
        std::fs::copy(seed, self.gathered("seed").with_extension("img")).unwrap();
    }

    /// The next file in which something is kept, but for its ending.
    fn gathered(&self, name: &str) -> PathBuf {
        let number = self.number.get() + 1;
        self.number.set(number);
        self.gathering().join(format!(
            "{number:05}{}{name}",
            if name.starts_with('-') { "" } else { "-" }
        ))
    }

    /// What the last commands said.
    fn last_words(&self) -> String {
        let entries = std::fs::read_dir(self.gathering()).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| {
            file.extension()
                .is_some_and(|end| end == "out" || end == "err")
        });
        files.sort();
        let text = |file: &PathBuf| {
            let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
            format!("--- {}\n{}\n", file.display(), tail(&text, 40))
        };
        files.iter().rev().take(6).rev().map(text).collect()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.serve.as_ref().map_or(String::new(), Running::log);
            eprintln!("--- what the program said last\n{}", self.last_words());
            eprintln!("--- the end of the log of serve\n{}", tail(&log, 40));
            eprintln!(
                "--- the end of the console\n{}",
                host::end_of_console(DOMAIN)
            );
        }
    }
}

/// The signature of a webhook, made by another program than ours.
pub fn signature(body: &str) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-hmac", WEBHOOK_SECRET]);
    let said = run_with_input(&mut openssl, body.as_bytes());
    format!("sha256={}", said.split_whitespace().last().unwrap())
}

/// The servers of a company: git and a registry. They run as long as this lives.
struct Servers {
    root: PathBuf,
}

impl Servers {
    fn start(root: &Path) -> Self {
        let servers = Self {
            root: root.to_owned(),
        };
        // Before the network of the machines is there, so that the servers have their address.
        run(Command::new("ip").args(["address", "add", &format!("{ADDRESS}/32"), "dev", "lo"]));
        let repositories = servers.folder("repositories");
        let (git_run, registry_run) = (servers.folder("git"), servers.folder("registry"));
        call(
            "registry",
            &["up", &format!("{ADDRESS}:5000"), &registry_run],
        );
        call(
            "git-server",
            &["http", &format!("{ADDRESS}:8080"), &repositories, &git_run],
        );
        until("the registry has the image", SOON, || {
            let tags = http::get(&format!("{ADDRESS}:5000"), "/v2/library/nginx/tags/list")?;
            seen(tags.body.contains("\"1.22\""), tags.body)
        });
        git(
            Path::new("/"),
            &["ls-remote", "--exit-code", REPOSITORY, "refs/heads/main"],
        );
        servers
    }

    fn folder(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for (script, folder) in [("git-server", "git"), ("registry", "registry")] {
            // With the sandbox they end in any case.
            let _ = Command::new(scripts().join(script))
                .args(["down", &self.folder(folder)])
                .status();
        }
        let address = format!("{ADDRESS}/32");
        let _ = Command::new("ip")
            .args(["address", "del", &address, "dev", "lo"])
            .status();
    }
}

fn require_sandbox() {
    let first = std::fs::read_to_string("/proc/1/cmdline").unwrap();
    assert!(
        first.contains("scripts/namespaces"),
        "the story changes libvirt and the network; run it by tests/bed/sandbox"
    );
}

/// The folder of images that were made beforehand: in here there is no way to Debian's packages.
fn cached_images() -> PathBuf {
    let cache = cache();
    let is_image = |entry: std::fs::DirEntry| entry.path().join("image.json").is_file();
    let made = std::fs::read_dir(cache.join("images"));
    let has_images = made.is_ok_and(|mut all| all.any(|entry| entry.is_ok_and(is_image)));
    assert!(
        has_images,
        "no machine image in {}; run scripts/machine-image",
        cache.display()
    );
    let has_containers = cache.join("registry/inputs").is_file();
    assert!(
        has_containers,
        "no images in {}; run scripts/container-images",
        cache.display()
    );
    cache.join("images")
}

/// As scripts/shell.bash has it.
pub fn cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match (set("METROM_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), _, _) => cache.into(),
        (None, Some(caches), _) => Path::new(&caches).join("metrom"),
        (None, None, home) => Path::new(&home.expect("there is a home")).join(".cache/metrom"),
    }
}

/// The example with one environment, which is ours, and with a poll that never comes in between.
fn environments(root: &Path) -> Repository {
    let work = root.join("environments");
    copy(&clone_of("example-repo"), &work);
    std::fs::remove_dir_all(work.join("environments")).unwrap();
    copy(&clone_of("tests/e2e/story/repo"), &work);
    let settings = work.join("metrom.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    assert!(
        text.contains("poll: 30s") && text.contains("retain: 30d"),
        "{text}"
    );
    std::fs::write(&settings, text.replace("poll: 30s", "poll: 1h")).unwrap();
    Repository::new(work, root.join("repositories/environments.git"))
}

/// The repository that the environment checks out.
fn publish_source(root: &Path) {
    let (work, upstream) = (
        root.join("handbook"),
        root.join("repositories/handbook.git"),
    );
    copy(&clone_of("scripts/example-sources/handbook"), &work);
    std::fs::create_dir(&upstream).unwrap();
    Repository::new(work, upstream);
}

/// Everything in a folder into another.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let everything = from.join(".");
    run(Command::new("cp")
        .arg("--recursive")
        .args([&everything, to]));
}

fn call(script: &str, args: &[&str]) {
    run(Command::new(scripts().join(script)).args(args));
}

fn scripts() -> PathBuf {
    clone_of("scripts")
}

pub fn clone_of(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
