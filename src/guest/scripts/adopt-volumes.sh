# adopt-volumes ROOT PROJECT: the names of Docker's volumes begin with that of their project. In data
# that was copied from another environment they begin with that one's, and get ours.
set -eu
root=$1 project=$2 note=$1/project
was=$(cat "$note" 2>/dev/null || :)
[ "$was" != "$project" ] || exit 0
if [ -n "$was" ]; then
  # The socket first: it would start the service again.
  systemctl stop docker.socket docker.service
  for old in "$root/docker/${was}_"*; do
    new=$root/docker/${project}_${old#"$root/docker/${was}_"}
    if [ -e "$old" ] && [ ! -e "$new" ]; then mv -T "$old" "$new"; fi
  done
  systemctl start docker.socket docker.service
fi
printf '%s\n' "$project" >"$note.part"
mv -f "$note.part" "$note"
