# nginx:1.22 as the ordinary image has it: serves /usr/share/nginx/html, reads /etc/nginx/conf.d,
# logs to the container's output.
packages="nginx-light curl"
config='"Cmd": ["nginx", "-g", "daemon off;"], "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGQUIT"'

finish() {
    mkdir -p "$tree/var/log/nginx" "$tree/etc/nginx/conf.d"
    rm -f "$tree/etc/nginx/sites-enabled/default"
    install -m 644 "$here/default.conf" "$tree/etc/nginx/conf.d/default.conf"
    ln -sf /dev/stdout "$tree/var/log/nginx/access.log"
    ln -sf /dev/stderr "$tree/var/log/nginx/error.log"
}
