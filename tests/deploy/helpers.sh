# shellcheck shell=bash disable=SC2034
# What tests/deploy/inside makes its checks of, and the small world around the service. Sourced.

service=pool-poller.service
etc=/etc/pool-poller
wallet=AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8
bobs=AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd9
status=127.0.0.1:9464
watchdog=30
checks=0
paid=10 awards=0

# --- What checks are made of -------------------------------------------------------------------------------------------------

report_failure() {
  local code=$?
  if ((code == 0)); then return 0; fi
  printf 'FAILED (%s) after %s checks\n' "$code" "$checks"
  systemctl status --no-pager --full --lines 0 "$service" || true
  journalctl --no-pager --quiet --boot --lines 25 --output short-precise || true
}
trap report_failure EXIT

ok() {
  checks=$((checks + 1))
  printf 'ok %3d  %4d s  %s\n' "$checks" "$SECONDS" "$1"
}

# check WHAT COMMAND...
check() {
  local output
  if ! output=$("${@:2}" 2>&1); then
    printf 'does not hold: %s\n  %s\n%s\n' "$1" "${*:2}" "$output"
    return 1
  fi
  ok "$1"
}

# await WHAT SECONDS COMMAND...: until it succeeds.
await() {
  local until=$((SECONDS + $2)) output
  until output=$("${@:3}" 2>&1); do
    if ((SECONDS >= until)); then
      printf 'not within %s s: %s\n  %s\n%s\n' "$2" "$1" "${*:3}" "$output"
      return 1
    fi
    sleep 0.2
  done
  ok "$1"
}

not() { ! "$@"; }

# same WHAT EXPECTED FOUND
same() {
  if [[ $2 != "$3" ]]; then
    printf 'does not hold: %s\n' "$1"
    diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") || true
    return 1
  fi
  ok "$1"
}

property() { systemctl show --value --property "$1" "$service"; }
property_is() { [[ $(property "$1") == "$2" ]]; }
ps_user() { stat -c %U "/proc/$(property MainPID)"; }
has_position() { [[ $(as_m2p positions show --json | grep -c '"high_water"') -ge 1 ]]; }
runs() { property_is ActiveState active && property_is SubState running; }
status_line() { [[ $(property StatusText) =~ $1 ]]; }
as_m2p() { runuser -u m2p -- env -C "$etc" pool-poller "$@"; }
awarded() { [[ $(as_m2p events list --json | grep -c '"status": "awarded"') == "$1" ]]; }
told() { [[ $(as_m2p events list --json | grep -c '"notified": true') == "$1" ]]; }
pay() { printf '%s\n' "$1" >/trial/paid; }
# another_payout WHAT: of 1 ADVC, until it is awarded.
another_payout() {
  paid=$((paid + 1)) awards=$((awards + 1))
  pay "$paid"
  await "$1" 30 awarded "$awards"
}
installed() { [[ $(sha256sum <"/proc/$(property MainPID)/exe") == "$(sha256sum <"$1")" ]]; }

# Messages of a priority or worse, of the run of the service that is named; what systemd says of the service is among them.
journal() {
  journalctl --sync
  journalctl --no-pager --quiet --output cat --priority "$1" _SYSTEMD_INVOCATION_ID="$2" + INVOCATION_ID="$2" "${@:3}"
}

# readme HEADING: the commands that the README shows below it, as tests/it/support/readme.rs finds them.
readme() {
  awk -v of="$1" '
    /^```/ { console = $0 == "```console"; next }
    /^#/ && !console { heading = $0; sub(/^[# ]+/, "", heading) }
    /^[$] / && console && heading == of { sub(/^[$] /, ""); sub(/   #.*/, ""); sub(/ +$/, ""); print }' /trial/tree/README.md
}

# as_written COMMAND: as an operator does it in the source's folder. Nobody is asked for a password, and the editor has had its way.
as_written() { (cd /trial/tree && PATH=/trial/bin:$PATH exec bash -o pipefail -c "$1") </dev/null; }

make_stand_ins() {
  mkdir -p /trial/bin /trial/edited
  cat >/trial/bin/sudo <<'END'
#!/bin/sh
if [ "$1" = -u ]; then
  user=$2
  shift 2
  exec runuser -u "$user" -- "$@"
fi
exec "$@"
END
  cat >/trial/bin/sudoedit <<'END'
#!/bin/sh
cat "/trial/edited/$(basename "$1")" >"$1"
END
  chmod 755 /trial/bin/*
}

# Names of the events in JSON lines, other lines as they are.
events() { sed -E 's/^\{.*"message":"([^"]*)".*$/\1/' | sort -u; }

files() {
  find / -xdev \( -path /trial -o -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp \
    -o -path /var/log -o -path /var/cache -o -path /var/lib/systemd -o -path /var/lib/dpkg -o -path /var/lib/apt \) -prune -o -printf '%p\n' |
    # What useradd keeps of the files before.
    grep -vxE '/etc/(passwd|group|shadow|gshadow|subuid|subgid)-' | sort
}

# write_env MORE...
write_env() { environment "$@" >"$etc/.env"; }
environment() {
  cat <<END
SOCKETIO_URL=
NOTIFY_WEBHOOK_URL=http://127.0.0.1:8001/rewards
NOTIFY_SIGNING_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
POLL_INTERVAL_SECONDS=1
POOL_REQUEST_TIMEOUT=1
STATUS_LISTEN=$status
CPU_POOL_ENABLED=false
RPLANT_ENABLED=false
ZPOOL_ENABLED=false
$(printf '%s\n' "$@")
END
}

# write_pool MORE
write_pool() {
  cat >"$etc/pools/trial.toml" <<END
name = "trial"
url = "http://127.0.0.1:8001/{wallet}"
$1
[wallet]
pattern = "[0-9A-Za-z]+"
[paid]
pointer = "/paid"
[currency]
constant = "ADVC"
END
}

start_world() {
  pay "$paid"
  cat >/run/systemd/system/world.socket <<END
[Socket]
ListenStream=127.0.0.1:8001
Accept=yes
TriggerLimitIntervalSec=0
END
  cat >'/run/systemd/system/world@.service' <<END
[Unit]
CollectMode=inactive-or-failed
[Service]
ExecStart=/trial/tree/tests/deploy/pool
StandardInput=socket
StandardOutput=socket
LogLevelMax=notice
END
  systemctl daemon-reload
  systemctl start world.socket
}
