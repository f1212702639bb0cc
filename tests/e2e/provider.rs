//! The libvirt provider on a real libvirt: the contract, and what goes wrong only there. The
//! connection is the sandbox's own, and `virsh` is the independent witness.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrom::model::{Boot, Class, LiveId, ProviderAction};
use metrom::port::image::KernelFiles;
use metrom::port::{
    Actuator, ImageFiles, Journal, Observer, ProviderError, Seed, SeedError, SeedMaker,
    SeedRequest, Silent,
};
use metrom::provider::libvirt::{Accel, Libvirt, Trial, Verdict};

use super::boot_sector::boot_sector;

#[path = "../contract/provider.rs"]
#[allow(dead_code, reason = "libvirt keeps no machine from being ended")]
pub mod contract;

mod bed;
mod measured;
mod reborn;

use bed::{Bed, PATIENCE, run, until, virsh};
use contract::Env;

/// Dies at the moment it is asked, which is after the disk and before the definition.
struct Killer;

impl SeedMaker for Killer {
    fn make(&self, _: &SeedRequest) -> Result<Seed, SeedError> {
        kill(std::process::id(), "KILL");
        unreachable!("nobody survives SIGKILL")
    }
}

fn kill(pid: u32, signal: &str) {
    let status = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn a_real_libvirt_keeps_the_contract() {
    let bed = Bed::new("contract");
    let provider = bed.provider();
    contract::prepares_itself(&provider).await;
    contract::makes_a_volume_once(&provider, &Env::new("shop")).await;
    let image = contract::image("plain", Boot::Disk);
    let files = bed.image_of(b"", 64);
    contract::takes_an_image(&provider, &image, &files).await;
    contract::leads_a_machine_through_its_life(&provider, &Env::new("shop"), &image).await;
    contract::hands_data_over_to_a_second_machine(&provider, &Env::new("twin"), &image).await;
    let [pool, one, two] = ["warm-web-1", "one", "two"].map(Env::new);
    contract::lets_a_warm_machine_be_claimed(&provider, (&pool, &one, &two), &image).await;
    let id = image.id();
    let left = [
        format!("metrom-image.{id}.complete"),
        format!("metrom-image.{id}.qcow2"),
    ];
    assert_eq!(
        bed.files(),
        left,
        "nothing is left but the image, which others share"
    );
    assert_eq!(virsh(&["list", "--all", "--name"]).trim(), "");
}

#[tokio::test]
async fn a_foreign_machine_of_our_name_stays_byte_for_byte_as_it_was() {
    let bed = Bed::new("foreign");
    let provider = bed.prepared().await;
    let file = bed.folder.join("theirs.xml");
    let xml = "<domain type='qemu'><name>metrom-theirs</name><memory>65536</memory><vcpu>1</vcpu>\
               <os><type arch='x86_64'>hvm</type></os></domain>";
    std::fs::write(&file, xml).unwrap();
    virsh(&["define", &file.display().to_string()]);
    let before = virsh(&["dumpxml", "metrom-theirs"]);

    let env = Env::new("theirs");
    let image = contract::image("plain", Boot::Disk);
    contract::leaves_a_foreign_machine_alone(&provider, &env, &image).await;
    let id = LiveId(virsh(&["domuuid", "metrom-theirs"]).trim().to_owned());
    for action in [
        ProviderAction::StartMachine { id: id.clone() },
        ProviderAction::StopMachine { id: id.clone() },
        ProviderAction::DeleteMachine { id },
    ] {
        let error = contract::fails(&provider, action).await;
        assert!(matches!(error, ProviderError::Foreign { .. }), "{error}");
    }
    assert_eq!(virsh(&["dumpxml", "metrom-theirs"]), before);
    let about = contract::foreign(&contract::seen(&provider).await, "metrom-theirs").about;
    assert_eq!(about.type_name.as_deref(), Some("qemu"));
    assert_eq!(about.made, None, "libvirt does not know");
    virsh(&["undefine", "metrom-theirs"]);
}

/// A process that is to be killed: this test again, as a program, told by the environment.
fn victim(test: &str, bed: &Bed) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("METROM_TEST_VICTIM", &bed.name)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The bed of the test that started us.
fn bed_of_parent() -> Bed {
    let name = std::env::var("METROM_TEST_VICTIM").expect("only started by another test");
    let mut bed = Bed::new(&name);
    bed.is_owner = false;
    bed
}

/// Large enough that the upload can be met in its middle.
const LARGE: usize = 400;

#[tokio::test]
async fn an_upload_that_was_killed_is_done_again_and_whole() {
    let bed = Bed::new("killed-upload");
    let provider = bed.prepared().await;
    let image = contract::image("plain", Boot::Disk);
    let files = bed.noise(LARGE);
    let disk = bed
        .pool()
        .join(format!("metrom-image.{}.qcow2", image.id()));

    let mut child = victim("provider::uploads_until_it_is_killed", &bed);
    let length = || std::fs::metadata(&disk).map_or(0, |meta| meta.len());
    until("the upload is in its middle", || length() > 20 << 20).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(length() < (LARGE as u64) << 20, "it was met in its middle");
    assert!(!contract::seen(&provider).await.images.contains(&image.id()));

    provide(&provider, &image, &files, &Silent).await.unwrap();
    assert!(contract::seen(&provider).await.images.contains(&image.id()));
    run(Command::new("cmp").args([&files.disk, &disk]));
}

#[tokio::test]
#[ignore = "started and killed by another test"]
async fn uploads_until_it_is_killed() {
    let bed = bed_of_parent();
    let files = ImageFiles {
        disk: bed.folder.join("disk.qcow2"),
        kernel: None,
    };
    let image = contract::image("plain", Boot::Disk);
    provide(&bed.provider(), &image, &files, &Silent)
        .await
        .unwrap();
}

async fn provide(
    provider: &Libvirt,
    image: &metrom::model::ImageSpec,
    files: &ImageFiles,
    journal: &dyn Journal,
) -> Result<(), ProviderError> {
    let image = image.clone();
    let action = ProviderAction::ProvideImage { image };
    provider
        .perform(&action, Some(files), journal)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn an_upload_that_another_process_is_making_is_left_to_it() {
    let bed = Bed::new("claimed");
    let provider = bed.prepared().await;
    let image = contract::image("plain", Boot::Disk);
    let files = bed.image_of(b"", 64);
    let name = format!("metrom-image.{}.qcow2", image.id());
    virsh(&[
        "vol-create-as",
        &bed.name,
        &name,
        "1MiB",
        "--format",
        "qcow2",
    ]);

    let other = Arc::new(AtomicU64::new(1));
    let (writing, disk) = (Arc::clone(&other), bed.pool().join(&name));
    let writer = std::thread::spawn(move || {
        let mut file = std::fs::OpenOptions::new().append(true).open(disk).unwrap();
        while writing.load(Ordering::SeqCst) == 1 {
            file.write_all(&[0; 4096]).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let error = provide(&provider, &image, &files, &Silent)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Transient, "{error}");
    assert!(error.to_string().contains("another process"), "{error}");
    other.store(0, Ordering::SeqCst);
    writer.join().unwrap();

    provide(&provider, &image, &files, &Silent).await.unwrap();
    run(Command::new("cmp").args([&files.disk, &bed.pool().join(&name)]));
}

#[tokio::test]
async fn a_creation_killed_between_disk_and_definition_ends_as_one_whole_machine() {
    let bed = Bed::new("killed-creation");
    let provider = bed.prepared().await;
    let image = contract::image("plain", Boot::Disk);
    let files = bed.image_of(b"", 64);
    provide(&provider, &image, &files, &Silent).await.unwrap();

    let mut child = victim("provider::creates_until_it_is_killed", &bed);
    child.wait().unwrap();
    let root = "metrom-shop.root.qcow2".to_owned();
    assert!(bed.files().contains(&root), "it died after the disk");
    assert_eq!(
        virsh(&["list", "--all", "--name"]).trim(),
        "",
        "and before the definition"
    );

    let env = Env::new("shop");
    let id = contract::done(&provider, env.machine(&provider, &image, &[]))
        .await
        .unwrap();
    assert_eq!(virsh(&["domstate", "metrom-shop"]).trim(), "running");
    contract::done(&provider, ProviderAction::DeleteMachine { id }).await;
    assert!(!bed.files().contains(&root));
}

#[tokio::test]
#[ignore = "started and killed by another test"]
async fn creates_until_it_is_killed() {
    let provider = bed_of_parent().provider_with(Arc::new(Killer));
    let image = contract::image("plain", Boot::Disk);
    let create = Env::new("shop").machine(&provider, &image, &[]);
    contract::done(&provider, create).await;
}

/// Kills libvirtd at the first progress it is told.
struct Saboteur {
    told: AtomicU64,
}

impl Journal for Saboteur {
    fn line(&self, _: &str) {}
    fn progress(&self, _: &str, _: u64, _: u64) {
        if self.told.fetch_add(1, Ordering::SeqCst) == 0 {
            stop_libvirtd();
        }
    }
    fn phase(&self, _: &str, _: Duration) {}
}

fn stop_libvirtd() {
    let pid = std::fs::read_to_string("/run/libvirtd.pid").unwrap();
    kill(pid.trim().parse().unwrap(), "KILL");
}

fn start_libvirtd() {
    run(&mut Command::new("scripts/libvirtd"));
}

#[tokio::test]
async fn a_daemon_that_goes_away_in_the_middle_is_transient_and_then_forgotten() {
    let bed = Bed::new("restarted");
    let provider = bed.prepared().await;
    let image = contract::image("plain", Boot::Disk);
    let files = bed.noise(LARGE);
    let saboteur = Saboteur {
        told: AtomicU64::new(0),
    };
    let error = provide(&provider, &image, &files, &saboteur)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Transient, "{error}");
    assert!(!error.is_certain(), "{error}");

    let inventory = provider.inventory().await;
    let reason = &inventory.gaps[0].reason;
    assert!(reason.starts_with("cannot reach lab: "), "{reason}");

    start_libvirtd();
    assert!(!contract::seen(&provider).await.images.contains(&image.id()));
    provide(&provider, &image, &files, &Silent).await.unwrap();
    // A restart that nobody saw is no error at all.
    stop_libvirtd();
    start_libvirtd();
    assert!(contract::seen(&provider).await.images.contains(&image.id()));
}

#[tokio::test]
async fn a_pool_without_room_is_full_and_says_how_much_is_missing() {
    let bed = Bed::new("full");
    let tmpfs = ["-t", "tmpfs", "-o", "size=48m,mode=711", "tmpfs"];
    run(Command::new("mount").args(tmpfs).arg(&bed.folder));
    let provider = bed.prepared().await;
    let elsewhere = Bed::new("full-image");
    let files = elsewhere.noise(64);
    let large = contract::image("large", Boot::Disk);
    let error = provide(&provider, &large, &files, &Silent)
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Full { .. }), "{error}");
    assert!(error.to_string().contains("MiB free"), "{error}");

    let files = elsewhere.image_of(b"", 64);
    let small = contract::image("small", Boot::Disk);
    provide(&provider, &small, &files, &Silent).await.unwrap();
    let _ = fill(&bed.pool().join("filler"));
    let env = Env::new("shop");
    let error = contract::fails(&provider, env.machine(&provider, &small, &[])).await;
    assert!(matches!(error, ProviderError::Full { .. }), "{error}");
    assert_eq!(virsh(&["list", "--all", "--name"]).trim(), "");
}

/// Writes until nothing goes any more.
fn fill(path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    loop {
        file.write_all(&[1; 4096])?;
    }
}

#[tokio::test]
async fn the_end_of_the_console_can_be_read_while_it_runs_and_after_it_stopped() {
    let bed = Bed::new("console");
    let provider = bed.prepared().await;
    let image = contract::image("talking", Boot::Disk);
    let files = bed.image_of(&boot_sector(b"\x1b[1mMetrom was here\r\n"), 64);
    provide(&provider, &image, &files, &Silent).await.unwrap();
    let env = Env::new("talker");
    let id = contract::done(&provider, env.machine(&provider, &image, &[]))
        .await
        .unwrap();
    let started = Instant::now();
    while !provider
        .console(&id)
        .await
        .unwrap()
        .contains("Metrom was here\n")
    {
        assert!(started.elapsed() < PATIENCE, "it never spoke");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    contract::done(&provider, ProviderAction::StopMachine { id: id.clone() }).await;
    assert!(
        provider
            .console(&id)
            .await
            .unwrap()
            .contains("Metrom was here\n")
    );
    contract::done(&provider, ProviderAction::DeleteMachine { id }).await;
    assert!(
        !bed.files().iter().any(|file| file.contains("console")),
        "{:?}",
        bed.files()
    );
}

#[tokio::test]
async fn an_image_with_a_kernel_is_uploaded_with_its_parts_and_booted_by_it() {
    let bed = Bed::new("kernel");
    let provider = bed.prepared().await;
    let image = contract::image("direct", Boot::Kernel);
    let part = |name: &str, size: usize| {
        let path = bed.folder.join(name);
        std::fs::write(&path, vec![b'k'; size]).unwrap();
        path
    };
    let files = ImageFiles {
        kernel: Some(KernelFiles {
            kernel: part("vmlinuz", 3_000_001),
            initrd: part("initrd", 2_000_003),
            cmdline: "root=LABEL=rootfs rw note=\"<&>\"".into(),
        }),
        ..bed.image_of(b"", 64)
    };
    provide(&provider, &image, &files, &Silent).await.unwrap();
    let env = Env::new("direct");
    // These bytes are no kernel, so QEMU may refuse to run them; how they are defined is seen.
    let _ = provider
        .perform(&env.machine(&provider, &image, &[]), None, &Silent)
        .await;
    let xml = virsh(&["dumpxml", "--inactive", "metrom-direct"]);
    // What follows is for emulation alone.
    let cmdline = "<cmdline>root=LABEL=rootfs rw note=&quot;&lt;&amp;&gt;&quot; console=ttyS0";
    assert!(xml.contains(cmdline), "{xml}");
    for (part, file) in [("kernel", "vmlinuz"), ("initrd", "initrd")] {
        let path = bed
            .pool()
            .join(format!("metrom-image.{}.{part}", image.id()));
        assert!(
            xml.contains(&format!("<{part}>{}</{part}>", path.display())),
            "{xml}"
        );
        run(Command::new("cmp").arg(bed.folder.join(file)).arg(path));
    }
    assert!(
        xml.contains("<domain type='qemu'>"),
        "nothing offers KVM in a sandbox"
    );
    let id = LiveId(virsh(&["domuuid", "metrom-direct"]).trim().to_owned());
    contract::done(&provider, ProviderAction::DeleteMachine { id }).await;
}

#[tokio::test]
async fn a_trial_tells_what_ends_by_itself_from_what_does_not_start() {
    let bed = Bed::new("trial");
    let provider = bed.provider();
    let verdict = provider
        .run_trial(&Trial::Firmware, Accel::Emulation, PATIENCE)
        .await;
    assert_eq!(verdict.unwrap(), Verdict::Ended);
    let kernel = Trial::Kernel("/nonexistent/kernel".into());
    let verdict = provider
        .run_trial(&kernel, Accel::Emulation, PATIENCE)
        .await;
    assert!(matches!(verdict.unwrap(), Verdict::Failed(_)));
    assert_eq!(
        virsh(&["list", "--all", "--name"]).trim(),
        "",
        "nothing is left of them"
    );
}
