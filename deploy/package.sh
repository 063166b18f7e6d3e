#!/usr/bin/env bash
# Makes the Debian package of pool-poller: target/debian/pool-poller_VERSION_ARCHITECTURE.deb. Its name is the last line printed.
#
#   deploy/package.sh [BINARY]      BINARY is built with cargo build --release unless given
#
# Needs cargo-deb (cargo install cargo-deb@3.8.0 --locked) and dpkg-dev, which says what the program depends on. Manual pages and
# completions are made by the program that is packed. DEB_VERSION=VERSION is instead of the version in Cargo.toml, and DEB_OPTIONS
# are further options of cargo-deb, as --fast.
set -euo pipefail
umask 022

cargo_deb_version=3.8.0

case ${1:-} in
-h | --help)
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  exit 0
  ;;
-*) set -- too many ;;
esac
if (($# > 1)); then
  printf 'usage: package.sh [BINARY]\n' >&2
  exit 2
fi
binary=${1:-}
if [[ -n $binary ]]; then binary=$(realpath "$binary"); fi

fail() {
  printf 'package.sh: %s\n' "$*" >&2
  exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
[[ $target == /* ]] || target=$PWD/$target
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin:${CARGO_HOME:-$HOME/.cargo}/tools/cargo-deb-$cargo_deb_version/bin
command -v cargo-deb >/dev/null || fail "there is no cargo-deb; cargo install cargo-deb@$cargo_deb_version --locked"
command -v dpkg-shlibdeps >/dev/null || fail 'there is no dpkg-shlibdeps; install the package dpkg-dev'

if [[ -z $binary ]]; then
  cargo build --release --locked
  binary=$target/release/pool-poller
fi
[[ -f $binary && -x $binary ]] || fail "there is no program $binary"

# cargo-deb looks for `target/release/…` in a target directory: this one holds what goes into the package and nothing else.
stage=$target/package
made=$stage/release
rm -rf "$stage"
mkdir -p "$made/man"
cp "$binary" "$made/pool-poller"
"$made/pool-poller" man "$made/man" >/dev/null
gzip -9n "$made"/man/*.1
gzip -9n <CHANGELOG.md >"$made/changes.gz"
for shell in bash zsh fish; do "$made/pool-poller" completions "$shell" >"$made/completions.$shell"; done

version=${DEB_VERSION:-$(sed -n '/^\[workspace.package\]/,/^\[[^w]/s/^version = "\(.*\)"$/\1/p' Cargo.toml)-1}
# Debian wants to find a changelog of its own form. Its date is that of the commit, so that a repeat makes the same bytes.
when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH=$when
maintainer=$(sed -n '/^\[package.metadata.deb\]/,$s/^maintainer = "\(.*\)"$/\1/p' Cargo.toml)
printf 'pool-poller (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n' \
  "$version" "$maintainer" "$(LC_ALL=C date -u -R -d "@$when")" | gzip -9n >"$made/changelog.gz"

# shellcheck disable=SC2086 # several options
CARGO_TARGET_DIR=$stage cargo-deb --no-build --strip --deb-version "$version" --output "$target/debian/" ${DEB_OPTIONS:-} >&2
printf '%s\n' "$target/debian/pool-poller_${version}_$(dpkg --print-architecture).deb"
