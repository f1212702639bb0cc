//! Where data volumes lie on a machine, and how they come there: at its first boot, or when it was made
//! before it was known whose it would be.

use std::collections::BTreeMap;
use std::time::Duration;

use super::configure::write;
use super::operator::Operator;
use crate::port::GuestError;
use crate::ssh::Command;

/// The volume that carries everything that must outlive the machine.
pub(crate) const DATA: &str = "data";
pub(crate) const MOUNT_VOLUME: &str = include_str!("scripts/mount-volume.sh");

const IS_MOUNTED: &str = "mountpoint -q \"$1\" && [ -f \"$2\" ]\n";

/// Docker never writes named volumes to the root disk while the data volume is not mounted.
pub(crate) const DOCKER_WAITS: &str = "[Unit]\nRequiresMountsFor=/var/lib/docker/volumes\n";
/// A volume that grows under a running machine; at a boot, mounting it does the same.
pub(crate) const GROWS_LIVE: &str = "ACTION==\"change\", SUBSYSTEM==\"block\", ENV{RESIZE}==\"1\", ENV{ID_FS_LABEL}==\"metrom-data\", RUN+=\"/usr/sbin/resize2fs $devnode\"\n";

pub(crate) const DOCKER_DROP_INS: &str = "/etc/systemd/system/docker.service.d";
pub(crate) const UDEV_RULES: &str = "/etc/udev/rules.d";
/// What both files of ours are called there.
pub(crate) const DROP_IN: &str = "10-metrom.conf";
pub(crate) const RULES: &str = "90-metrom-data.rules";

/// A file system is made, and Docker stops and starts; emulated, that takes a minute.
const MOUNT_WITHIN: Duration = Duration::from_secs(600);
const DOING: &str = "mounting the data volume";

pub(crate) fn mountpoint(volume: &str) -> String {
    if volume == DATA {
        super::ROOT.to_owned()
    } else {
        format!("{}-{volume}", super::ROOT)
    }
}

/// Mounts the data volumes that the machine has got since its first boot, now and at later boots.
///
/// # Errors
/// [`GuestError::Failed`] when one cannot be mounted: it is never formatted when anything is on it.
pub(crate) async fn mount(
    op: &Operator<'_>,
    volumes: &BTreeMap<String, String>,
) -> Result<(), GuestError> {
    for (name, device) in volumes {
        let mountpoint = mountpoint(name);
        // The rules are written last: with them it is wholly done.
        let rules = format!("{UDEV_RULES}/{RULES}");
        let asking = Command::script(IS_MOUNTED).args([mountpoint.as_str(), rules.as_str()]);
        if op.try_ask(DOING, &asking).await?.code == 0 {
            continue;
        }
        let command = Command::script(MOUNT_VOLUME)
            .args([device.as_str(), mountpoint.as_str()])
            .as_root();
        op.run(DOING, &command, MOUNT_WITHIN).await?;
        // Only now: where it is, what is not mounted counts as lost.
        if name == DATA {
            let drop_in = DOCKER_WAITS.to_owned();
            write(op, DOCKER_DROP_INS, DROP_IN, drop_in, 0o644).await?;
        }
        write(op, UDEV_RULES, RULES, GROWS_LIVE.to_owned(), 0o644).await?;
    }
    Ok(())
}
