# pull IMAGE...: brings the images that are not there.
set -eu
for image in "$@"; do
  docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image"
done
