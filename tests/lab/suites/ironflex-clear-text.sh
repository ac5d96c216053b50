#!/bin/bash
# kernel: any
# limit: 600
# takes: 65
# No pool address travels outside ESP, whatever happens to a session: a capture on the router between, while both sides send
# without a pause.
# shellcheck disable=SC2034,SC2119,SC2154 # variables are set by name, by network, spawn and capture_start
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
needs openssl ping socat tcpdump
headend_prepare

# Echoes each way, and TCP streams that are under way when the session ends; they end with the case.
send_without_a_pause() {
  call_without_a_pause client "$client" $server_address
  call_without_a_pause server "$server" $client_address
}

stream() { # FROM TO ADDRESS PORT
  local process
  spawn process "$LAB_DIR/listen-$4.log" in_ns "$2" socat -u "TCP-LISTEN:$4,bind=$3,reuseaddr" OPEN:/dev/null
  wait_for 5 "socat listening on $3:$4" listening "$2" "$4"
  # It reads a pipe that nobody writes to, with a time limit, for a pause that starts no program.
  spawn process "$LAB_DIR/stream-$4.log" in_ns "$1" bash -c \
    "{ while echo data && ! read -r -t 0.05 <&3; do :; done; } 3<> <(:) | socat -u - TCP:$3:$4"
  wait_for 5 "the stream to $3:$4" connected "$2" "$4"
}

connected() { # NAMESPACE PORT
  [ -n "$(in_ns "$1" ss -H -t -n state established "sport = :$2")" ]
}

session_with_streams() { # CLIENT-DATAPLANE
  client_start "$1"
  stream "$client" "$server" $server_address 5001
  stream "$server" "$client" $client_address 5002
}

holds_no_pool_address() { # HEADEND-DATAPLANE CLIENT-DATAPLANE
  local dataplane=$1
  network routed
  foreign_network "$headend"
  headend_configure 'esp-gcm 256' </dev/null
  headend_start "$dataplane"
  watch_router
  send_without_a_pause

  # Login and delete.
  session_with_streams "$2"
  client_leave
  wait_for 5 "the headend to see the client leave" says "$LAB_DIR/headend/log" 'is DOWN'

  # Crash in the middle of a session, and a restart.
  session_with_streams "$2"
  kill -KILL "$headend_process"
  wait_for 5 "the headend's end" process_gone "$headend_process"
  wait_for_calls 100
  headend_start "$dataplane"
  grep -q 'removed what an earlier run left behind' "$LAB_DIR/headend/log" || fail "the restart found nothing to clear"
  wait_for_calls 100
  stop_process "$client_process"

  # And the client comes back.
  client_start "$2"
  ping_sizes "$client" $server_address 56
  assert_callers_sent 100
  assert_router_saw_no_pool_address
}

# A client that has a network behind it and forwards, and hosts outside its split list that call its tunnel's address: what
# it answers them belongs into the tunnel too.
forwarding_client() { # HEADEND-DATAPLANE CLIENT-DATAPLANE
  network routed
  branch_behind_the_client
  # Neither is of 10.0.0.0/8, which the split list holds.
  ip -n "$server" address add $stranger_address/32 dev lo
  ip -n "$headend" route add $stranger_address via $server_address
  headend_configure 'esp-gcm 256' </dev/null
  headend_start "$1"
  watch_router
  call_without_a_pause branch "$branch" $server_address
  call_without_a_pause stranger "$server" $client_address $stranger_address

  # Login and delete.
  client_start "$2"
  wait_for_calls 100
  client_leave
  wait_for 5 "the headend to see the client leave" says "$LAB_DIR/headend/log" 'is DOWN'
  wait_for_calls 100

  # The client crashes, and starts again on what it left behind. The headend holds its address for it, and gives it another.
  client_start "$2"
  wait_for_calls 100
  kill -KILL "$client_process"
  wait_for 5 "the client's end" process_gone "$client_process"
  wait_for_calls 100
  client_address=192.168.10.6
  call_without_a_pause stranger-again "$server" $client_address $stranger_address
  client_start "$2"
  wait_for_calls 100

  # The headend crashes, and starts again.
  kill -KILL "$headend_process"
  wait_for 5 "the headend's end" process_gone "$headend_process"
  wait_for_calls 100
  headend_start "$1"
  wait_for_calls 100
  stop_process "$client_process"
  assert_callers_sent 100
  assert_router_saw_no_pool_address
}

stranger_address=203.0.113.7

branch_behind_the_client() {
  netns_add branch
  veth_add "$branch" outside 172.16.5.2/24 "$client" branch 172.16.5.1/24
  ip -n "$branch" route add default via 172.16.5.1
  "$LAB_TOOL" set "$client" net/ipv4/ip_forward=1
}

lab_case kernel holds_no_pool_address kernel kernel
lab_case userspace holds_no_pool_address userspace userspace
lab_case forwarding-client-kernel forwarding_client kernel kernel
lab_case forwarding-client-userspace forwarding_client userspace userspace
