#!/bin/sh
# Options alone mean the server; the server runs as its own user and without protected mode, which
# the ordinary image switches off as well: only containers of the same network reach it.
set -e
case ${1:-} in -* | *.conf) set -- redis-server "$@" ;; esac
[ "$1" = redis-server ] || exec "$@"
chown -R redis: .
exec setpriv --reuid redis --regid redis --clear-groups "$@" --protected-mode no
