# compose LOCK SECONDS EXTRA_ENV ENV ARGUMENTS…: docker compose, one at a time and not for ever.
# A run whose Metrom has died may still be at work: the lock waits for it.
set -eu
lock=$1 seconds=$2 extra=$3 env=$4; shift 4
set -- --env-file "$env" "$@"
[ ! -f "$extra" ] || set -- --env-file "$extra" "$@"
cd /
exec 9>"$lock"
flock 9
exec timeout -k 10 "$seconds" docker compose --ansi never --progress plain "$@"
