# place DIR URL REFERENCE TARGET: puts a checkout at a commit; clones when there is none.
# Git itself refuses to overwrite a changed or untracked file: nothing here is forced.
set -eu
dir=$1 url=$2 reference=$3 target=$4 work=$1
if [ ! -d "$dir/.git" ]; then
  work="$dir.metrom-part"
  rm -rf "$work"
  git clone --no-checkout "$url" "$work"
fi
cd "$work"
git cat-file -e "$target^{commit}" 2>/dev/null || git fetch origin "$target"
if git show-ref -q --verify "refs/remotes/origin/$reference"; then
  git checkout -q -B "$reference" "$target"
  git branch -q --set-upstream-to="origin/$reference" "$reference"
else
  git checkout -q --detach "$target"
fi
[ ! -f .gitmodules ] || git submodule update --init --recursive
[ "$work" = "$dir" ] || mv -T "$work" "$dir"
