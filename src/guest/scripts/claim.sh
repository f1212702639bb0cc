# claim NAME: a machine that was made before it was known whose it would be gets the name of its
# environment.
set -eu
name=$1
printf '%s\n' "$name" >/etc/hostname.part
mv -f /etc/hostname.part /etc/hostname
hostname "$name"
sed -i "s/^127\.0\.1\.1 .*/127.0.1.1 $name/" /etc/hosts
