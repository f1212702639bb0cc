# What every script here shares; sourced, never run.

METROM_CACHE=${METROM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/metrom}
export METROM_CACHE

say()  { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

need_root() {
    [ "$(id -u)" = 0 ] || fail "$1 needs root; run it again with sudo"
}

# wait_until SECONDS WHAT COMMAND… – waits for a state, never for a time; says what was missing.
wait_until() {
    local end=$((SECONDS + $1)) limit=$1 what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { say "error: $what did not happen within $limit s"; return 1; }
        sleep 0.1
    done
}

# stop_pid FILE – ends the process whose id a file holds, and waits until it is gone.
# The file names a program as well, so that a number which was given away again harms nobody.
stop_pid() {
    local pid program
    [ -s "$1" ] || return 0
    read -r pid program < "$1"
    if is_running "$1"; then
        kill "$pid"
        wait_until 20 "the end of $program ($pid)" not is_running "$1" || kill -KILL "$pid"
    fi
    rm -f "$1"
}

# is_running FILE – whether the process of a pid file (`PID PROGRAM`) still is that program.
is_running() {
    local pid program state
    [ -s "$1" ] && read -r pid program < "$1" && [ -r "/proc/$pid/cmdline" ] || return 1
    read -r _ _ state _ < "/proc/$pid/stat" 2>/dev/null || return 1
    # It may end at any moment, which is nobody's error.
    [ "$state" != Z ] && { tr '\0' ' ' < "/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "$program"
}

not() { ! "$@"; }

# debian_sources SUITE – `deb` lines of another Debian suite, from where this machine gets its own
# packages: no address is written down here, and a mirror or an air gap just works.
debian_sources() {
    local suite=$1 own uri release component
    own=$(. /etc/os-release && printf %s "$VERSION_CODENAME")
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        while read -r uri release component; do
            [ "$component" = main ] || continue
            case $release in
                "$own" | "$own"-updates | "$own"-security)
                    printf 'deb [signed-by=%s] %s %s main\n' \
                        /usr/share/keyrings/debian-archive-keyring.gpg "$uri" "$suite${release#"$own"}" ;;
            esac
        done
}

# private_apt FOLDER – prints the options of an apt that has its sources, lists and archives in
# FOLDER; /etc/apt and the archives that other apts use at the same time stay untouched.
private_apt() {
    mkdir -p "$1/parts" "$1/lists/partial" "$1/archives/partial"
    printf '%s\n' -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$1/parts" \
        -o "Dir::State::lists=$1/lists" -o "Dir::Cache=$1" -o "DPkg::Lock::Timeout=600" \
        -o "Acquire::Languages=none" -o "APT::Sandbox::User=root" -qq
}

# free_port – a port of this machine that nobody listens on.
free_port() {
    local port
    for port in $(shuf -i 20000-60000 -n 100); do
        ss -Hltn "sport = :$port" | grep -q . || { echo "$port"; return 0; }
    done
    return 1
}

