# versions: what of the needed software is there, one a line, tab separated.
v=$(git --version 2>/dev/null) && printf 'git\t%s\n' "$v"
v=$(dockerd --version 2>/dev/null) && printf 'docker\t%s\n' "$v"
v=$(docker compose version --short 2>/dev/null) && printf 'compose\t%s\n' "$v"
exit 0
