# accounts USER FORMER LOGIN ROOT: the account of the people, with the keys from standard input and
# no others. Prints `relogin` when LOGIN was given the right to use Docker just now.
set -eu
user=$1 former=$2 login=$3 root=$4
getent group docker >/dev/null || groupadd --system docker
getent passwd "$user" >/dev/null || useradd --create-home --shell /bin/bash "$user"
for group in docker sudo wheel; do
  getent group $group >/dev/null || continue
  id -nG "$user" | tr ' ' '\n' | grep -qx $group || usermod -aG $group "$user"
done
if [ "$user" != root ]; then
  printf '%s ALL=(ALL) NOPASSWD:ALL\n' "$user" >/etc/sudoers.d/metrom-people.part
  chmod 440 /etc/sudoers.d/metrom-people.part
  mv -f /etc/sudoers.d/metrom-people.part /etc/sudoers.d/metrom-people
fi
keys_of() { echo "$(getent passwd "$1" | cut -d: -f6)/.ssh"; }
ssh=$(keys_of "$user")
mkdir -p -m 700 "$ssh"; chown "$user:" "$ssh"
draft=$(mktemp "$ssh/.authorized_keys.XXXXXX")
cat >"$draft"; chown "$user:" "$draft"; chmod 600 "$draft"
mv -f "$draft" "$ssh/authorized_keys"
if [ -n "$former" ] && [ "$former" != "$user" ] && getent passwd "$former" >/dev/null; then
  rm -f "$(keys_of "$former")/authorized_keys"
fi
# On a data volume from an earlier machine the number of the account may be another one.
mkdir -p "$root/src"
for tree in "$root/src" "$root"/src/*/; do
  [ ! -d "$tree" ] || [ "$(stat -c %U "$tree")" = "$user" ] || chown -R "$user:" "$tree"
done
if [ "$login" != root ] && ! id -nG "$login" | tr ' ' '\n' | grep -qx docker; then
  usermod -aG docker "$login"
  echo relogin
fi
