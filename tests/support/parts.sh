# shellcheck shell=bash
# Finds the parts that the tests need, and installs what is missing where that is allowed. Sourced by tests/run.
#
# need_parts                sets cargo, node, pg_bin, chromium; ends the script with one line for each part that is missing
# npm_modules SOURCE CACHE  sets node_modules: the locked dependencies of the npm package in SOURCE, installed below CACHE
# python_venv SOURCE CACHE  sets python: an interpreter with what SOURCE/requirements.txt locks, installed below CACHE
# promtool_program CACHE    sets promtool: Prometheus' checker, taken out of Debian's package into CACHE where it is not installed

pg_version_min=12
node_version_min=18
python_minor_min=9
cargo='' node='' npm='' pg_bin='' node_modules='' python3='' python='' promtool='' chromium=''

# The major version in what a program says of itself, or 0.
major_version() {
  local words
  words=$("$@" --version 2>/dev/null) || words=''
  if [[ $words =~ ([0-9]+)(\.[0-9]+|beta|rc|devel) ]]; then printf '%s\n' "${BASH_REMATCH[1]}"; else printf '0\n'; fi
}

# The directory of the newest PostgreSQL server here; the one on PATH counts like Debian's, which are on no PATH.
find_postgres() {
  pg_bin=''
  local candidate version newest=$((pg_version_min - 1)) on_path
  local -a candidates=(/usr/lib/postgresql/*/bin)
  if on_path=$(command -v initdb); then candidates+=("$(dirname "$(readlink -f "$on_path")")"); fi
  for candidate in "${candidates[@]}"; do
    [[ -x $candidate/initdb && -x $candidate/postgres && -x $candidate/pg_ctl ]] || continue
    version=$(major_version "$candidate/postgres")
    if ((version > newest)); then newest=$version pg_bin=$candidate; fi
  done
}

find_node() {
  local name
  node=''
  for name in node nodejs; do
    if command -v "$name" >/dev/null && (($(major_version "$name") >= node_version_min)); then
      node=$(command -v "$name")
      break
    fi
  done
  npm=$(command -v npm) || npm=''
}

# A Python 3 that can make virtual environments with pip in them, which Debian has in a package of its own.
find_python() {
  python3=$(command -v python3) || python3=''
  [[ -n $python3 ]] || return 0
  "$python3" -c "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, $python_minor_min))" 2>/dev/null || python3=''
}

find_chromium() {
  local name
  chromium=''
  for name in chromium chromium-browser google-chrome; do
    if chromium=$(command -v "$name"); then break; fi
  done
}

# Fills `missing` (for people) and `packages` (Debian's names).
find_parts() {
  missing=() packages=()
  find_postgres
  find_node
  find_python
  find_chromium
  if [[ -z $pg_bin ]]; then
    missing+=("PostgreSQL $pg_version_min or later, the server (initdb, postgres, pg_ctl)")
    packages+=(postgresql)
  fi
  if [[ -z $node ]]; then
    missing+=("Node $node_version_min or later")
    packages+=(nodejs)
  fi
  if [[ -z $npm ]]; then
    missing+=("npm")
    packages+=(npm)
  fi
  if [[ -z $python3 ]]; then
    missing+=("Python 3.$python_minor_min or later with venv and ensurepip")
    packages+=(python3 python3-venv)
  fi
  if [[ -z $chromium ]]; then
    missing+=("Chromium (chromium, chromium-browser or google-chrome)")
    packages+=(chromium)
  fi
  if ! command -v cc >/dev/null; then
    missing+=("a C compiler (cc)")
    packages+=(gcc libc6-dev)
  fi
}

# PostgreSQL's package makes a cluster and starts it at installation; the tests have their own, so it is told not to.
install_packages() {
  local no_cluster=/etc/postgresql-common/createcluster.d/no-cluster-for-tests.conf
  printf 'tests/run: installing %s\n' "$*" >&2
  mkdir -p "$(dirname "$no_cluster")"
  printf 'create_main_cluster = false\n' >"$no_cluster"
  local status=0
  {
    DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
      DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 install "$@"
  } </dev/null >&2 || status=$?
  rm -f "$no_cluster"
  rmdir --ignore-fail-on-non-empty "$(dirname "$no_cluster")"
  return "$status"
}

need_parts() {
  local -a missing packages
  local part
  # shellcheck disable=SC2034 # tests/run uses it
  cargo=$(command -v cargo || command -v "${CARGO_HOME:-$HOME/.cargo}/bin/cargo") || {
    printf 'tests/run: cargo is missing: install the Rust toolchain (rustup.rs)\n' >&2
    exit 1
  }
  find_parts
  ((${#missing[@]})) || return 0
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    # One run at a time installs; the others then find everything there.
    local lock
    exec {lock}>/run/lock/pool-poller-tests.lock
    flock "$lock"
    find_parts
    if ((${#packages[@]})); then install_packages "${packages[@]}" || true; fi
    exec {lock}>&-
    find_parts
    ((${#missing[@]})) || return 0
  fi
  for part in "${missing[@]}"; do printf 'tests/run: missing: %s\n' "$part" >&2; done
  printf 'tests/run: on Debian: apt-get install %s\n' "${packages[*]}" >&2
  exit 1
}

# One directory for each content of the lock file, put in place whole, so that two runs at once cannot meet half of one.
npm_modules() {
  local source=$1 cache=$2 key fresh
  key=$(cat "$source/package.json" "$source/package-lock.json" | sha256sum | cut -c 1-16)
  node_modules=$cache/$key/node_modules
  [[ ! -d $node_modules ]] || return 0
  mkdir -p "$cache"
  fresh=$(mktemp -d "$cache/fresh.XXXXXXXX")
  cp "$source/package.json" "$source/package-lock.json" "$source/.npmrc" "$fresh/"
  if ! (cd "$fresh" && "$npm" ci --loglevel=error </dev/null >"$fresh/npm.log" 2>&1); then
    printf 'tests/run: npm could not install what tests/interop depends on:\n' >&2
    tail -n 15 "$fresh/npm.log" >&2
    rm -rf -- "$fresh"
    exit 1
  fi
  # Another run may have been faster; its copy is as good.
  mv -T "$fresh" "$cache/$key" 2>/dev/null || rm -rf -- "$fresh"
}

# The same for Python. A virtual environment does not bear being moved, so it is made where it stays, and marked when it is whole.
python_venv() {
  local source=$1 cache=$2 key home lock
  key=$({ "$python3" --version && cat "$source/requirements.txt"; } | sha256sum | cut -c 1-16)
  home=$cache/python-$key
  python=$home/bin/python
  [[ ! -f $home/complete ]] || return 0
  mkdir -p "$cache"
  exec {lock}>"$cache/python.lock"
  flock "$lock"
  if [[ ! -f $home/complete ]]; then
    rm -rf -- "$home"
    if ! {
      "$python3" -m venv "$home" &&
        "$python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --only-binary :all: \
          --requirement "$source/requirements.txt" && "$python" -m pip check --disable-pip-version-check
    } </dev/null >"$cache/pip.log" 2>&1; then
      printf 'tests/run: pip could not install what tests/interop depends on:\n' >&2
      tail -n 15 "$cache/pip.log" >&2
      exit 1
    fi
    : >"$home/complete"
  fi
  exec {lock}>&-
}

# Only the checker: installing the package would start a server.
promtool_program() {
  local cache=$1 fresh
  promtool=$(command -v promtool) || promtool=$cache/promtool
  [[ ! -x $promtool ]] || return 0
  mkdir -p "$cache"
  fresh=$(mktemp -d "$cache/fresh.XXXXXXXX")
  if ! (
    cd "$fresh"
    command -v apt-get dpkg-deb
    [[ $(id -u) != 0 ]] || apt-get -qq -o DPkg::Lock::Timeout=300 update
    apt-get -qq -o APT::Sandbox::User=root download prometheus
    dpkg-deb -x prometheus_*.deb .
  ) </dev/null >"$cache/promtool.log" 2>&1; then
    printf 'tests/run: missing: promtool, which is part of Prometheus; on Debian: apt-get install prometheus\n' >&2
    tail -n 5 "$cache/promtool.log" >&2
    rm -rf -- "$fresh"
    exit 1
  fi
  mv -T "$fresh/usr/bin/promtool" "$promtool"
  rm -rf -- "$fresh"
}
