# survey DIR: what a checkout is like, one fact a line, tab separated. Runs as its owner.
survey() {
  if [ ! -e "$1" ]; then printf 'absent\t\n'; return; fi
  if [ ! -d "$1/.git" ]; then
    if [ -d "$1" ] && [ -z "$(ls -A "$1")" ]; then printf 'absent\t\n'; else printf 'foreign\t\n'; fi
    return
  fi
  printf 'head\t%s\n' "$(git -C "$1" rev-parse -q --verify HEAD 2>/dev/null)"
  printf 'branch\t%s\n' "$(git -C "$1" symbolic-ref -q --short HEAD)"
  printf 'url\t%s\n' "$(git -C "$1" config remote.origin.url)"
  git -C "$1" status --porcelain -uno 2>/dev/null | head -4 | tr '\t' ' ' | sed 's/^.../changed\t/'
  printf 'record\t%s\n' "$(cat "$1/.git/metrom.json" 2>/dev/null)"
  placed=$(sed -n 's/.*"placed":"\([0-9a-f]*\)".*/\1/p' "$1/.git/metrom.json" 2>/dev/null)
  git -C "$1" cat-file -e "$placed^{commit}" 2>/dev/null || placed=
  printf 'unpushed\t%s\n' "$(git -C "$1" rev-list --count HEAD --not --remotes --tags $placed 2>/dev/null)"
}
