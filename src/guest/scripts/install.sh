# install: Docker, Compose v2 and git from the distribution's own packages.
set -eu
command -v apt-get >/dev/null || {
  echo "this distribution has no apt-get; use an image with docker, docker compose v2 and git" >&2
  exit 1
}
export DEBIAN_FRONTEND=noninteractive
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -v '^(none)$'; }
apt-get update -q
packages="git docker.io"
[ -z "$(candidate docker-cli || :)" ] || packages="$packages docker-cli"
if [ -n "$(candidate docker-compose-v2 || :)" ]; then packages="$packages docker-compose-v2"
else case "$(candidate docker-compose || :)" in 1.* | "") ;; *) packages="$packages docker-compose" ;; esac; fi
apt-get install -y -q --no-install-recommends $packages
