# hold-images IMAGE TAG [IMAGE TAG]…: what a tag was resolved to, it means again, where that image is
# still here. Who wants a newer one says so in the compose file (`pull_policy`), or names it.
set -eu
while [ $# -gt 0 ]; do
  if docker image inspect --format . "$1" >/dev/null 2>&1; then docker tag "$1" "$2"; fi
  shift 2
done
