# set-clock NOW: a machine that stood still has lost the time; NOW is in seconds since 1970.
now=$1
off=$(($(date +%s) - now))
[ "$off" -ge -2 ] && [ "$off" -le 2 ] || date --set "@$now" >/dev/null
