# compose-start LOCK SECONDS PROJECT STATE STACK WRITE: puts back the files that compose-stop has
# kept, then starts the containers. WRITE is the script that unpacks files into a folder.
set -eu
lock=$1 seconds=$2 project=$3 state=$4 stack=$5 write=$6
saved=$state/stack.saved.tar
cd /
command -v docker >/dev/null || exit 0
if [ -e "$lock" ]; then exec 9>"$lock"; flock 9; fi
compose() {
  timeout -k 10 "$seconds" docker compose --ansi never --progress plain --project-name "$project" "$1"
}
of_project=label=com.docker.compose.project=$project
containers=$(timeout -k 10 "$seconds" docker ps -aq --filter "$of_project" --filter label=com.docker.compose.oneoff=False)
if [ -e "$saved" ]; then
  # With `restart: always` Docker starts them when the machine boots, on whatever files lie there.
  [ -z "$containers" ] || compose stop
  sh -c "$write" metrom "$stack" "" <"$saved"
fi
[ -z "$containers" ] || compose start
rm -f "$saved"
