#!/bin/sh
# mount-volume DEVICE MOUNTPOINT: mounts a data volume now and at every later boot.
# Formats a blank disk, once, and never a disk on which anything is found.
set -eu
device=$1 mountpoint=$2
say() { echo "metrom: $*"; }
give_up() { say "$*" >&2; exit 1; }

for _ in $(seq 60); do [ -b "$device" ] && break; sleep 0.5; done
[ -b "$device" ] || give_up "the data volume $device did not appear"

# blkid: 0 something is on it, 2 nothing is; anything else is no answer.
found=0; blkid -p "$device" >/dev/null 2>&1 || found=$?
case $found in
0) say "$device has a file system" ;;
2)
  cmp -s -n 1048576 "$device" /dev/zero ||
    give_up "$device has data but no file system that can be read; repair it, or wipe its first MiB if nothing on it is needed"
  say "$device is blank: formatting it"
  mkfs.ext4 -q -L metrom-data -E lazy_itable_init=1,lazy_journal_init=1 "$device" ;;
*) give_up "cannot tell what is on $device (blkid: $found)" ;;
esac

mkdir -p "$mountpoint"
grep -q "^$device " /etc/fstab ||
  echo "$device $mountpoint ext4 noatime,nofail,x-systemd.growfs,x-systemd.before=docker.service 0 2" >>/etc/fstab
mountpoint -q "$mountpoint" || mount "$mountpoint"
resize2fs "$device" 2>&1 | sed 's/^/metrom: /'

[ "$mountpoint" = /srv/metrom ] || exit 0
volumes=/var/lib/docker/volumes
mountpoint -q $volumes && exit 0
running=
for unit in docker.socket docker.service; do
  systemctl is-active -q $unit && running="$running $unit"
done
# The socket first: it would start the service again.
[ -z "$running" ] || systemctl stop $running
mkdir -p "$mountpoint/docker" $volumes
chmod 701 "$mountpoint/docker"
grep -q "^$mountpoint/docker " /etc/fstab ||
  echo "$mountpoint/docker $volumes none bind,nofail,x-systemd.requires-mounts-for=$mountpoint,x-systemd.before=docker.service 0 0" >>/etc/fstab
systemctl daemon-reload
mount $volumes
[ -z "$running" ] || systemctl start $running
