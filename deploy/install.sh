#!/usr/bin/env bash
# Installs pool-poller as a systemd service, or upgrades it. May be run any number of times.
#
#   deploy/install.sh [BINARY]       BINARY is target/release/pool-poller of this tree unless given
#   deploy/install.sh --uninstall
#
# Settings, pool files and data are never overwritten: /etc/pool-poller and /var/lib/pool-poller belong to the operator, and
# --uninstall leaves them and the user m2p. An upgrade restarts the service if it was running, and else leaves it as it is.
#
# DESTDIR=DIRECTORY installs below that directory, for a package or a look: no user is made, nobody is given a file, and no
# service is touched. SYSTEMCTL=PROGRAM is asked instead of systemctl, then too.
set -euo pipefail
# Whatever root's is: others have to read pages and completions. What they must not read is given below.
umask 022

service=pool-poller.service
destdir=${DESTDIR:-}
destdir=${destdir%/}
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

bin=$destdir/usr/local/bin/pool-poller
unit=$destdir/etc/systemd/system/$service
share=$destdir/usr/local/share
man=$share/man/man1
completions=(
  "bash:$share/bash-completion/completions/pool-poller"
  "zsh:$share/zsh/site-functions/_pool-poller"
  "fish:$share/fish/vendor_completions.d/pool-poller.fish"
)

# shellcheck source=deploy/settings.sh
source "$tree/deploy/settings.sh"

fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
usage() {
  printf 'usage: install.sh [BINARY]\n       install.sh --uninstall\n' >&2
  exit 2
}

systemctl=${SYSTEMCTL:-}
if [[ -z $systemctl && -z $destdir && -d /run/systemd/system ]]; then systemctl=systemctl; fi

require_root() {
  if [[ -z $destdir ]] && ((EUID != 0)); then fail 'it changes the system: run it as root, or set DESTDIR'; fi
}

# put MODE SOURCE TARGET: in one step, so that whoever starts it meanwhile finds the old or the new one.
put() {
  mkdir -p "$(dirname "$3")"
  install -m "$1" "$2" "$3.new"
  mv -f "$3.new" "$3"
}

# Pages and completions are made by the program that is installed, so that they are about the same version.
put_documentation() {
  local entry target
  rm -f "$man"/pool-poller.1 "$man"/pool-poller-*.1
  mkdir -p "$man"
  "$bin" man "$man" >/dev/null
  chmod 644 "$man"/pool-poller.1 "$man"/pool-poller-*.1
  for entry in "${completions[@]}"; do
    target=${entry#*:}
    mkdir -p "$(dirname "$target")"
    "$bin" completions "${entry%%:*}" >"$target"
    chmod 644 "$target"
  done
}

# What an operator copies from. The pools are compiled in: a copy in /etc/pool-poller/pools goes before the one of its name.
put_examples() {
  local file
  rm -rf "$share/pool-poller"
  while IFS= read -r file; do
    put 644 "$tree/config/pools/$file" "$share/pool-poller/pools/$file"
  done < <(cd "$tree/config/pools" && find . -name '*.toml' -printf '%P\n' | sort)
  put 644 "$tree/config/default.toml" "$share/pool-poller/default.toml"
  put 644 "$tree/deploy/.env.example" "$share/pool-poller/env.example"
  put 644 "$tree/deploy/config.toml" "$share/pool-poller/config.toml"
  put 644 "$tree/deploy/grants.sql" "$share/pool-poller/grants.sql"
}

# Two programs of different versions on one machine are told apart by nobody.
refuse_beside_package() {
  if [[ -e $destdir/usr/bin/pool-poller ]]; then
    fail 'the Debian package pool-poller is installed; remove it first (apt remove pool-poller), which leaves settings and data'
  fi
}

install_all() {
  local binary=${1:-$tree/target/release/pool-poller} version
  [[ -f $binary && -x $binary ]] || fail "there is no program $binary; make it with cargo build --release, or name another"
  version=$("$binary" --version) || fail "$binary does not run here"
  [[ $version == 'pool-poller '* ]] || fail "$binary is not pool-poller"
  require_root
  refuse_beside_package
  make_user
  make_state
  put 755 "$binary" "$bin"
  put 644 "$tree/deploy/$service" "$unit"
  put_documentation
  put_examples
  put_settings "$tree/deploy/.env.example" "$tree/deploy/config.toml"
  say "installed $version"
  if [[ -z $systemctl ]]; then
    say 'systemd does not run here: nothing was started or restarted'
    return 0
  fi
  "$systemctl" daemon-reload
  # A service that waits for its database is "activating", and runs too.
  case $("$systemctl" is-active "$service" || true) in
  active | activating | reloading)
    "$systemctl" restart --no-block "$service"
    say 'restarting the service: systemctl status pool-poller shows when it is ready'
    ;;
  *) say 'the service does not run; edit /etc/pool-poller/.env and start it: systemctl enable --now pool-poller' ;;
  esac
}

# Directories in which there may be something of others.
remove_empty() {
  local directory
  for directory in "$@"; do
    if [[ -d $directory ]]; then rmdir --ignore-fail-on-non-empty "$directory"; fi
  done
}

uninstall() {
  local entry
  require_root
  if [[ -n $systemctl && -e $unit ]]; then "$systemctl" disable --now "$service"; fi
  rm -f "$unit" "$bin" "$man"/pool-poller.1 "$man"/pool-poller-*.1
  for entry in "${completions[@]}"; do rm -f "${entry#*:}"; done
  rm -rf "$share/pool-poller"
  remove_empty "$man" "$share"/{bash-completion/completions,bash-completion,zsh/site-functions,zsh,fish/vendor_completions.d,fish}
  if [[ -n $systemctl ]]; then
    "$systemctl" daemon-reload
  else
    say 'systemd does not run here: nothing was stopped'
  fi
  say "uninstalled; /etc/pool-poller, /var/lib/pool-poller and the user $user are left"
}

case ${1:-} in
--uninstall)
  if (($# != 1)); then usage; fi
  uninstall
  ;;
-h | --help)
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  ;;
-*) usage ;;
*)
  if (($# > 1)); then usage; fi
  install_all "$@"
  ;;
esac
