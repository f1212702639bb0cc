# compose-stop LOCK SECONDS PROJECT STATE STACK FILES…: keeps a copy of the files that we wrote on
# the machine's own disk, then stops the containers. A copy that is there already stays: since it
# was made, the files may have been another machine's.
set -eu
lock=$1 seconds=$2 project=$3 state=$4 stack=$5; shift 5
saved=$state/stack.saved.tar
cd /
command -v docker >/dev/null || exit 0
exec 9>"$lock"; flock 9
keep() {
  umask 077
  for file; do
    [ ! -f "$file" ] || [ -L "$file" ] || printf '%s\0' "$file"
  done | tar -c --no-recursion --null -f "$saved.part" -T -
  # The machine may be switched off next.
  sync "$saved.part"
  mv -f "$saved.part" "$saved"
}
if [ ! -e "$saved" ] && cd "$stack" 2>/dev/null; then keep "$@"; fi
cd /
of_project=label=com.docker.compose.project=$project
containers=$(timeout -k 10 "$seconds" docker ps -aq --filter "$of_project" --filter label=com.docker.compose.oneoff=False)
[ -n "$containers" ] || exit 0
timeout -k 10 "$seconds" docker compose --ansi never --progress plain --project-name "$project" stop
