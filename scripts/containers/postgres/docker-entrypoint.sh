#!/bin/bash
# Makes the database at the first start, then runs the server as its own user.
set -euo pipefail
case ${1:-} in -*) set -- postgres "$@" ;; esac
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    install -d -o postgres -g postgres -m 700 "$PGDATA"
    chown -R postgres: "$PGDATA"
    install -d -o postgres -g postgres /var/run/postgresql
    exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi

first_start() {
    local user=${POSTGRES_USER:-postgres} database script
    database=${POSTGRES_DB:-$user}
    [ -n "${POSTGRES_PASSWORD:-}" ] || { echo "error: POSTGRES_PASSWORD is not set" >&2; exit 1; }
    initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-host=scram-sha-256 --auth-local=trust
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    # Reached through its socket alone until it is ready, so that no healthcheck is satisfied early.
    pg_ctl -w start -o "-c listen_addresses=''"
    [ "$database" = postgres ] || createdb --username="$user" "$database"
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sh) bash "$script" ;;
            *.sql) psql -v ON_ERROR_STOP=1 --username="$user" --dbname="$database" -f "$script" ;;
        esac
    done
    pg_ctl -w -m fast stop
}
[ -s "$PGDATA/PG_VERSION" ] || first_start
exec "$@" -c listen_addresses='*'
