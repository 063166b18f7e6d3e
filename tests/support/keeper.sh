# shellcheck shell=bash
# Cleans up after a script however that ends, kill -9 included. Sourced by tests/run.
#
# start_keeper DIR       a background process that waits for the end of the script, then removes DIR
# keep_group PGID        ends this process group first: SIGTERM, and SIGKILL after ten seconds
# keep_until_gone PID    waits for this process, which ends by itself, before DIR is removed
# release_keeper         the script's own ordinary end: lets the keeper work and waits for it
#
# The keeper reads a pipe that only the script writes to: when the script is gone, for whatever reason, the pipe ends. A process
# that outlives the script must therefore not inherit it: close `keeper_input` where one is started.

keeper_input='' keeper_pid=''

# Waits until signal 0 finds nobody at $1 (a pid, or a negative process group), $2 tenths of a second at most.
gone_within() {
  local tenths=$2
  while kill -0 -- "$1" 2>/dev/null; do
    ((tenths-- > 0)) || return 1
    sleep 0.1
  done
}

keeper() {
  local dir=$1 kind id group='' waited=()
  trap '' INT TERM HUP
  while read -r kind id; do
    case $kind in
    group) group=$id ;;
    until_gone) waited+=("$id") ;;
    esac
  done
  if [[ -n $group ]] && kill -TERM -- "-$group" 2>/dev/null; then
    gone_within "-$group" 100 || kill -KILL -- "-$group" 2>/dev/null || true
  fi
  for id in "${waited[@]}"; do gone_within "$id" 300 || kill -KILL "$id" 2>/dev/null || true; done
  rm -rf -- "$dir"
}

start_keeper() {
  local pipe=$1/keeper
  mkfifo -m 600 "$pipe"
  set -m # a process group of its own: what ends the script's group must not reach it
  keeper "$1" <"$pipe" &
  keeper_pid=$!
  set +m
  exec {keeper_input}>"$pipe"
  rm -f "$pipe"
}

keep_group() { printf 'group %s\n' "$1" >&"$keeper_input"; }
keep_until_gone() { printf 'until_gone %s\n' "$1" >&"$keeper_input"; }

release_keeper() {
  trap '' INT TERM HUP
  [[ -n $keeper_input ]] || return 0
  exec {keeper_input}>&-
  wait "$keeper_pid" 2>/dev/null || true
}
