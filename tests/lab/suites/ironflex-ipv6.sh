#!/bin/bash
# kernel: any
# limit: 600
# takes: 25
# IPv6 inside and outside, our client and our headend both on the kernel's ESP: both families in one child SA, and no address of a
# pool in clear at the login, the delete, and a crash of either side.
# shellcheck disable=SC2034,SC2119,SC2154 # variables are set by name, by network, spawn and capture_start
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
needs openssl ping socat tcpdump
headend_prepare

dual_stack_expected() {
  client_expects="address $client_address and $client_address_v6, routes 10.0.0.0/8 2001:db8:3::/64,"
}

carries_both_families() { # TARGET CLIENT-OUTSIDE
  client_target=$1
  dual_stack_expected
  network routed
  network_ipv6
  dual_stack 100 ikev2-auth-policy | headend_configure 'esp-gcm 256'
  remember_network "$client" client
  remember_network "$headend" headend-before-the-start
  headend_start kernel
  remember_network "$headend" headend
  watch_router
  client_start kernel
  ping_sizes "$client" $server_address 0 1300 1372
  ping_sizes "$client" $server_address_v6 0 1300 1352
  ping_sizes "$server" $client_address_v6 0 1300 1352
  tcp_copy "$client" "$server" $server_address 5001 1
  tcp_copy "$client" "$server" $server_address_v6 5002 1
  tcp_copy "$server" "$client" $client_address_v6 5003 1
  assert_equal 2 "$(sa_count "$headend")" "SAs of the client in the headend's kernel"
  assert_kernel_carried "$headend" "$2"
  assert_kernel_carried "$client" "$client_target"
  client_leave
  assert_router_saw_esp bare
  assert_network_back "$client" client "after its delete"
  assert_network_back "$headend" headend "after the client's delete"
  stop_process "$headend_process"
  assert_network_back "$headend" headend-before-the-start "after SIGTERM"
}

# Echoes of IPv6 each way all the time; what the server sends to a client that is not there reaches the headend and no further.
holds_no_pool_address() {
  client_target=$headend_address_v6
  dual_stack_expected
  network routed
  network_ipv6
  dual_stack 100 ikev2-auth-policy | headend_configure 'esp-gcm 256'
  headend_start kernel
  watch_router
  call_without_a_pause client "$client" $server_address_v6
  call_without_a_pause server "$server" $client_address_v6

  # Login and delete.
  client_start kernel
  wait_for_calls 100
  client_leave
  wait_for 5 "the headend to see the client leave" says "$LAB_DIR/headend/log" 'is DOWN'

  # A crash of the headend in the middle of a session, and a restart.
  client_start kernel
  wait_for_calls 100
  kill -KILL "$headend_process"
  wait_for 5 "the headend's end" process_gone "$headend_process"
  wait_for_calls 100
  headend_start kernel
  stop_process "$client_process"

  # A crash of the client; the next one clears away what it left, and the headend gives it another address.
  client_start kernel
  kill -KILL "$client_process"
  wait_for 5 "the client's end" process_gone "$client_process"
  wait_for_calls 100
  client_address=192.168.10.6 client_address_v6=2001:db8:a::2
  dual_stack_expected
  client_start kernel
  ping_sizes "$client" $server_address_v6 56
  assert_callers_sent 100
  assert_router_saw_no_pool_address
}

lab_case dual-stack-over-ipv4 carries_both_families $headend_address 198.51.100.2
lab_case dual-stack-over-ipv6 carries_both_families $headend_address_v6 2001:db8:2::2
lab_case no-clear-text holds_no_pool_address
