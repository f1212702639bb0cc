# relate DIR REFERENCE TARGET: where HEAD stands to a commit, after a fetch.
set -u
cd "$1" || exit 1
git cat-file -e "$3^{commit}" 2>/dev/null || git fetch -q origin "$3" || exit 1
git show-ref -q --verify "refs/remotes/origin/$2" && printf 'tracks\t%s\n' "$2"
git merge-base --is-ancestor HEAD "$3" && printf 'behind\t\n'
git merge-base --is-ancestor "$3" HEAD && printf 'ahead\t\n'
exit 0
