# write-files FOLDER OWNER REMOVED…: removes files below a folder, then unpacks a tar from standard
# input there. Each file appears whole, by a rename.
set -eu
folder=$1 owner=$2; shift 2
mkdir -p "$folder"; cd "$folder"
for old; do
  rm -f -- "$old"
  case $old in */*) rmdir -p --ignore-fail-on-non-empty -- "${old%/*}" 2>/dev/null || : ;; esac
done
draft=$(mktemp -d .metrom-draft.XXXXXX)
trap 'rm -rf "$folder/$draft"' EXIT
tar -x -p -m --no-same-owner -C "$draft" -f -
[ -z "$owner" ] || chown -R "$owner:" "$draft"
cd "$draft"
find . -type f -exec sh -c '
  for file; do
    mkdir -p "../${file%/*}" || exit 1
    # Docker puts an empty folder where a mounted file was missing.
    [ ! -d "../$file" ] || rmdir "../$file" || exit 1
    mv -fT "$file" "../$file" || exit 1
  done' sh {} +
