# record-checkout DIR NAME: keeps the record from standard input, and links the checkout into the
# home of its owner, unless something of theirs has that name.
set -eu
cat >"$1/.git/metrom.json.part"
mv -f "$1/.git/metrom.json.part" "$1/.git/metrom.json"
link="$HOME/$2"
[ -e "$link" ] && [ ! -L "$link" ] || ln -sfn "$1" "$link"
