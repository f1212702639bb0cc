# redis:7.0 as the ordinary image has it: data in /data, open to the containers beside it.
packages="redis-server"
config='"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["redis-server"], "ExposedPorts": {"6379/tcp": {}},
    "Volumes": {"/data": {}}, "WorkingDir": "/data"'

finish() {
    account redis 999
    install -d -o 999 -g 999 "$tree/data"
    install -m 755 "$here/docker-entrypoint.sh" "$tree/usr/local/bin/"
}
