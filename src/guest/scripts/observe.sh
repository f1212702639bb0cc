# observe ROOT STATE SURVEY: what Metrom put on this machine, one fact a line, tab separated.
# SURVEY is the script that describes one checkout; it runs as the checkout's owner.
root=$1 state=$2 survey=$3
if [ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ] && [ ! -s /run/cloud-init/result.json ]; then
  printf 'booting\t\n'
fi
# The drop-in is there when the machine was given a data volume.
if [ -f /etc/systemd/system/docker.service.d/10-metrom.conf ]; then
  for mount in "$root" /var/lib/docker/volumes; do
    mountpoint -q "$mount" || printf 'unmounted\t%s\n' "$mount"
  done
fi
for file in "$state"/stamps/*.json; do
  [ ! -f "$file" ] || printf '%s\t%s\n' "$(basename "$file" .json)" "$(head -n 1 "$file")"
done
for dir in "$root"/src/*/; do
  dir=${dir%/}
  [ -e "$dir/.git" ] || continue
  printf 'checkout\t%s\n' "${dir##*/}"
  owner=$(stat -c %U "$dir")
  if [ "$owner" = "$(id -un)" ]; then sh -c "$survey" metrom "$dir"
  else runuser -u "$owner" -- sh -c "$survey" metrom "$dir"; fi
done
[ -f "$state/stack.sha256" ] || exit 0
if cd "$root/stack" 2>/dev/null; then
  sha256sum --check --quiet "$state/stack.sha256" 2>/dev/null | sed -n 's/^\(.*\): FAILED.*$/file\t\1/p'
else
  printf 'file\t.\n'
fi
exit 0
