# facts POOL: what this machine is and has, one fact a line, tab separated. Changes nothing.
say() { printf '%s\t%s\n' "$1" "$2"; }
of_system() { (. /etc/os-release 2>/dev/null || . /usr/lib/os-release; eval "printf %s \"\${$1:-}\""); }
of_memory() { sed -n "s/^$1: *\([0-9]*\) kB/\1/p" /proc/meminfo; }
found() { command -v "$1" 2>/dev/null || { [ -x "$2" ] && echo "$2"; }; }

say system "$(of_system ID)"
say like "$(of_system ID_LIKE)"
say release "$(of_system PRETTY_NAME)"
say architecture "$(uname -m)"
say kernel "$(uname -r)"
say cpus "$(getconf _NPROCESSORS_ONLN)"
say memory "$(of_memory MemTotal)"
say available "$(of_memory MemAvailable)"
read -r load _ < /proc/loadavg
say load "$load"
say clock "$(date +%s)"
[ ! -d /run/systemd/system ] || say systemd yes
[ ! -c /dev/kvm ] || say kvm yes
! grep -qwE 'vmx|svm' /proc/cpuinfo || say virtualises yes
! grep -qw hypervisor /proc/cpuinfo || say virtual yes

for tool in virt-ssh-helper qemu-img dnsmasq; do
    [ -z "$(found "$tool" "/usr/sbin/$tool")" ] || say tool "$tool"
done
for daemon in libvirtd virtqemud; do
    [ -z "$(found "$daemon" "/usr/sbin/$daemon")" ] || say tool "$daemon"
done
[ -z "$(found "qemu-system-$(uname -m)" /usr/libexec/qemu-kvm)" ] || say tool qemu
# A socket may be left by a daemon that has ended.
for comm in /proc/[0-9]*/comm; do
    read -r name < "$comm" 2>/dev/null || continue
    case $name in libvirtd | virtqemud | virtlogd) say daemon "$name" ;; esac
done
if [ -d /run/systemd/system ]; then
    for socket in libvirtd.socket virtqemud.socket; do
        ! systemctl is-active -q "$socket" 2>/dev/null || say daemon "${socket%.socket}"
    done
fi

pool=$1
folder=$pool
while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
df -Pk "$folder" | { read -r _; read -r _ size _ free _; say disk "$size"; say free "$free"; }
# What machines of ours have left, should libvirt be gone.
for file in "$pool"/metrom-*.data.qcow2; do
    [ ! -e "$file" ] || say data "${file##*/}"
done
