# compose-down LOCK SECONDS PROJECT STATE STACK FILES…: containers and networks go, volumes stay;
# then the files that we wrote go, and the record of it all.
set -eu
lock=$1 seconds=$2 project=$3 state=$4 stack=$5; shift 5
cd /
if [ -e "$lock" ]; then exec 9>"$lock"; flock 9; fi
if command -v docker >/dev/null; then
  timeout -k 10 "$seconds" docker compose --ansi never --progress plain \
    --project-name "$project" down --remove-orphans
fi
if cd "$stack" 2>/dev/null; then
  for file; do
    rm -f -- "$file"
    case $file in */*) rmdir -p --ignore-fail-on-non-empty -- "${file%/*}" 2>/dev/null || : ;; esac
  done
fi
rm -f "$state/stamps/stack.json" "$state/stack.sha256" "$state/stack.overlay.json" \
  "$state/stack.saved.tar" "$state/stack.saved.tar.part"
