#!/bin/bash
# kernel: any
# limit: 600
# takes: 35
# Our headend on the kernel's ESP, killed at any moment and started again with another configuration.
# shellcheck disable=SC2119,SC2154 # variables are set by name, by network and spawn
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
needs openssl ping socat
headend_prepare

kill_now() { # PROCESS
  kill -KILL "$1"
  wait "$1" 2>/dev/null || true
}

# Another pool, another Loopback, another Virtual-Template.
other_configuration() {
  sed -i -e 's/192\.168\.10\./192.168.20./g' -e 's/10\.0\.0\.1 255/10.0.0.2 255/' -e 's/local 10\.0\.0\.1 port/local 10.0.0.2 port/' \
    -e 's/oopback100/oopback200/g' -e 's/\(emplate *\)100/\1101/' "$LAB_DIR/headend/headend.conf"
}

another_start_clears_what_any_kill_left() {
  local moment
  network routed
  foreign_network "$headend"
  headend_configure 'esp-gcm 256' </dev/null
  cp "$LAB_DIR/headend/headend.conf" "$LAB_DIR/headend/first.conf"
  remember_network "$headend" headend
  # What the second configuration makes of a network in which nothing has been before.
  other_configuration
  headend_start kernel
  settled_state "$LAB_DIR/undisturbed"
  stop_process "$headend_process"
  assert_network_back "$headend" headend "after SIGTERM"

  cp "$LAB_DIR/headend/first.conf" "$LAB_DIR/headend/headend.conf"
  for moment in 0.02 0.05 0.1 0.15 0.2 0.25 0.3 0.4 0.5 0.7; do
    spawn headend_process "$LAB_DIR/headend/log" in_ns "$headend" "$IRONFLEX" run --config "$LAB_DIR/headend/headend.conf" \
      --state-dir "$LAB_DIR/headend/state" --dataplane kernel
    pause "$moment"
    kill_now "$headend_process"
  done
  for moment in 0.05 0.1 0.2 0.4 0.8; do
    headend_start kernel
    lab_input=$LAB_DIR/password spawn client_process "$LAB_DIR/client.log" in_ns "$client" \
      "$IRONFLEX" connect $headend_address --user test --password-stdin --ca "$LAB_DIR/pki/ca.crt" --no-dns --once --dataplane kernel
    pause "$moment"
    kill_now "$headend_process"
    kill_now "$client_process"
  done
  other_configuration
  headend_start kernel
  settled_state "$LAB_DIR/disturbed"
  diff "$LAB_DIR/undisturbed" "$LAB_DIR/disturbed" || fail "something of the first configuration remains"
  stop_process "$headend_process"
  assert_network_back "$headend" headend "after the last SIGTERM"
}

# As a kill leaves a device between its making and its marking.
a_device_without_its_mark_is_known_by_the_journal() {
  network routed
  headend_configure 'esp-gcm 256' </dev/null
  remember_network "$headend" headend
  headend_start kernel
  kill_now "$headend_process"
  ip -n "$headend" link set ironflex-lo100 down
  ip -n "$headend" link set ironflex-lo100 alias ''
  # Not in the journal: somebody else's.
  ip -n "$headend" link add ironflex-lo7 type dummy
  headend_start kernel
  grep -q 'removed what an earlier run left behind: .*device ironflex-lo100' "$LAB_DIR/headend/log" ||
    fail "the device was not removed: $(cat "$LAB_DIR/headend/log")"
  [[ $(ip -n "$headend" address show dev ironflex-lo100) == *'inet 10.0.0.1/32 '* ]] || fail "Loopback100 has no address"
  stop_process "$headend_process"
  ip -n "$headend" link show ironflex-lo7 >/dev/null || fail "somebody else's device is gone"
  ip -n "$headend" link delete ironflex-lo7
  assert_network_back "$headend" headend "after SIGTERM"
}

lab_case kill-at-any-moment another_start_clears_what_any_kill_left
lab_case device-without-its-mark a_device_without_its_mark_is_known_by_the_journal
