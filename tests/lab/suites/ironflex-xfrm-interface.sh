#!/bin/bash
# kernel: debian
# limit: 600
# takes: 45
# One login of our client over xfrm interfaces, with all that nf_tables has to say: traffic, translation towards the
# outside, what is refused in clear, and the taking down.
# shellcheck disable=SC2119,SC2154 # variables are set by name, by network, spawn and capture_start
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
needs nft openssl ping socat tcpdump
headend_prepare

carries_a_session() {
  network routed
  foreign_network "$headend"
  headend_configure 'esp-gcm 256' 'encryption aes-gcm-256' 'prf sha256' 'group 19' </dev/null
  remember_network "$client" client
  remember_network "$headend" headend-before-the-start
  headend_start kernel --device GigabitEthernet1=outside
  remember_network "$headend" headend
  in_ns "$headend" nft list table inet ironflex
  watch_router not udp port 7 # on which clear packets are sent on purpose
  client_start kernel
  [ -n "$(ip -n "$headend" -o link show type xfrm dev ironflex-vt100)" ] || fail "the headend has no xfrm interface"
  [ -n "$(ip -n "$client" -o link show type xfrm dev ironflexc0)" ] || fail "the client has no xfrm interface"
  ping_sizes "$client" 10.0.0.1 0 56
  ping_sizes "$client" $server_address 0 56 1300 1400
  ping_sizes "$server" $client_address 56 1400
  tcp_copy "$client" "$server" $server_address 5001 1
  tcp_copy "$server" "$client" $client_address 5002 1
  assert_kernel_carried "$headend" 198.51.100.2
  assert_kernel_carried "$client" $headend_address
  assert_translated
  assert_clear_packets_refused
  client_leave
  assert_router_saw_esp bare
  assert_network_back "$client" client "after its delete"
  assert_network_back "$headend" headend "after the client's delete"
  stop_process "$headend_process"
  assert_network_back "$headend" headend-before-the-start "after SIGTERM"
}

# ip nat inside source … overload: beyond the headend's outside the client has the headend's address.
assert_translated() {
  local translated
  ip -n "$client" route add 203.0.113.1 dev ironflexc0
  ip -n "$router" address add 203.0.113.1/32 dev lo
  ping_sizes "$client" 203.0.113.1 56
  ip -n "$client" route delete 203.0.113.1 dev ironflexc0
  router_saw translated icmp and host 203.0.113.1 and host $headend_address
  [ "$translated" -ge 2 ] || fail "the router did not see the pings from $headend_address"
}

# What comes in clear from outside as the client, or as an address that nobody holds, does not come to the server.
assert_clear_packets_refused() {
  local address receiver
  ip -n "$router" route add $server_address via $headend_address
  spawn receiver "$LAB_DIR/receiver.log" in_ns "$server" socat -u UDP-RECV:7 "CREATE:$LAB_DIR/clear"
  wait_for 5 "socat listening on UDP port 7" listening_udp "$server" 7
  for address in "$client_address" 192.168.10.9; do
    ip -n "$router" address add "$address/32" dev lo
    echo forged | in_ns "$router" socat -u - "UDP:$server_address:7,bind=$address"
    ip -n "$router" address delete "$address/32" dev lo
  done
  # The router's own comes through, and after the others.
  echo genuine | in_ns "$router" socat -u - "UDP:$server_address:7"
  wait_for 5 "the router's own packet" says "$LAB_DIR/clear" genuine
  ! grep -q forged "$LAB_DIR/clear" || fail "a packet with a pool address came in from outside in clear"
  stop_process "$receiver"
  ip -n "$router" route delete $server_address
}

listening_udp() { # NAMESPACE PORT
  [ -n "$(in_ns "$1" ss -H -u -l -n "sport = :$2")" ]
}

lab_case aes-gcm carries_a_session
