# postgres:15 as the ordinary image has it: POSTGRES_PASSWORD, POSTGRES_USER, POSTGRES_DB, PGDATA
# and the scripts of /docker-entrypoint-initdb.d at the first start.
packages="postgresql-15"
config='"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["postgres"], "ExposedPorts": {"5432/tcp": {}},
    "Volumes": {"/var/lib/postgresql/data": {}}, "StopSignal": "SIGINT"'
environment='"LANG=C.UTF-8", "PGDATA=/var/lib/postgresql/data"'
path=/usr/lib/postgresql/15/bin
# Half of the size: the compiler for long queries, and Perl, in which only Debian's own tools are written.
without="libllvm* perl* libperl* postgresql-common postgresql-client-common"

finish() {
    account postgres 999
    rm -f "$tree"/usr/lib/postgresql/15/lib/llvmjit*
    install -d -o 999 -g 999 "$tree/var/lib/postgresql" "$tree/run/postgresql"
    install -d -o 999 -g 999 -m 700 "$tree/var/lib/postgresql/data"
    install -d "$tree/docker-entrypoint-initdb.d"
    install -m 755 "$here/docker-entrypoint.sh" "$tree/usr/local/bin/"
}
