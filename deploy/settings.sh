# shellcheck shell=sh
# The user and the settings of the service. Sourced by install.sh and by the Debian package's postinst, so that either makes the
# same; plain POSIX shell for the latter's sake.
#
# Who sources it sets `destdir`, a directory that stands for / (empty on a real machine; otherwise no user is made, and nobody is
# given a file), and runs under `set -e`.

user=m2p
# shellcheck disable=SC2154 # whoever sources this sets it
etc=$destdir/etc/pool-poller

say() { printf '%s\n' "$*"; }

make_user() {
  if [ -n "$destdir" ]; then return 0; fi
  if ! getent group "$user" >/dev/null; then groupadd --system "$user"; fi
  if ! getent passwd "$user" >/dev/null; then
    useradd --system --gid "$user" --home-dir /var/lib/pool-poller --no-create-home --shell /usr/sbin/nologin "$user"
    say "made the user $user"
  fi
}

# The service's directory, so that `migrate` and `players add` can be run before the first start, as the user of the service.
make_state() {
  state=$destdir/var/lib/pool-poller
  if [ -e "$state" ]; then return 0; fi
  mkdir -p "$state"
  chmod 750 "$state"
  if [ -z "$destdir" ]; then chown "$user:$user" "$state"; fi
}

# give MODE PATH: what only root and the service may read.
give() {
  chmod "$1" "$2"
  if [ -z "$destdir" ]; then chown "root:$user" "$2"; fi
}

# put_setting SOURCE NAME: only where there is none yet. Whoever may read it is set right in any case.
put_setting() {
  if [ -e "$etc/$2" ]; then
    say "kept /etc/pool-poller/$2"
  else
    install -m 640 "$1" "$etc/$2"
    say "made /etc/pool-poller/$2"
  fi
  give 640 "$etc/$2"
}

# put_settings ENV CONFIG: the files of which .env and config.toml are made where they are missing.
put_settings() {
  mkdir -p "$etc/pools" "$etc/secrets"
  give 750 "$etc"
  give 750 "$etc/pools"
  # systemd reads these as root; the service gets copies.
  chmod 700 "$etc/secrets"
  put_setting "$1" .env
  put_setting "$2" config.toml
}
