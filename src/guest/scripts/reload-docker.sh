# reload-docker REGISTRY...: Docker reads its settings again, and knows these when this ends: mirrors
# by their URL, registries without TLS by host and port.
set -eu
# While it starts, a reload is forgotten: it has read its settings and does not listen yet.
systemctl start docker.service
systemctl reload docker.service
# The signal comes back before Docker has followed it.
known='{{range .RegistryConfig.Mirrors}}{{println .}}{{end}}{{range $name, $_ := .RegistryConfig.IndexConfigs}}{{println $name}}{{end}}'
for attempt in $(seq 40); do
  has=$(docker info --format "$known")
  lacks=
  for registry in "$@"; do
    printf '%s\n' "$has" | grep -qxiF -e "$registry" -e "${registry%/}/" || lacks=$registry
  done
  [ -n "$lacks" ] || exit 0
  sleep 0.5
done
echo "Docker does not take the registry $lacks; look at \`journalctl -u docker\` on the machine" >&2
exit 1
