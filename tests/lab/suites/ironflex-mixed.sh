#!/bin/bash
# kernel: any
# limit: 600
# takes: 60
# Userspace ESP is judged by the kernel's: our headend in userspace with our client and with strongSwan in the kernel, and
# the reverse.
# shellcheck disable=SC2119,SC2154 # variables are set by name, by network, spawn and capture_start
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
# shellcheck source-path=SCRIPTDIR source=../strongswan.sh
. "$(dirname "$0")/../strongswan.sh"
needs charon-systemd swanctl openssl ping socat tcpdump
headend_prepare
strongswan_client_prepare

# RFC 3948 §2.1#3: the kernel sends ESP in UDP without a checksum and we with one, and each takes
# the other's.
our_client() { # HEADEND-DATAPLANE CLIENT-DATAPLANE TRANSFORM
  network routed
  headend_configure "$3" </dev/null
  remember_network "$headend" headend
  remember_network "$client" client
  headend_start "$1"
  watch_router
  client_start "$2"
  carries_traffic
  # Exactly one of them has its SAs in the kernel.
  case $1-$2 in
    kernel-userspace) assert_kernel_carried "$headend" 198.51.100.2 ;;
    userspace-kernel) assert_kernel_carried "$client" $headend_address ;;
  esac
  assert_equal 2 "$(($(sa_count "$headend") + $(sa_count "$client")))" "SAs in both kernels"
  client_leave
  assert_router_saw_esp udp
  stop_process "$headend_process"
  assert_network_back "$headend" headend "after SIGTERM"
  assert_network_back "$client" client "after its delete"
}

strongswan_client() { # ESP-PROPOSAL TRANSFORM
  network routed
  certificate_profile | headend_configure "$2"
  headend_start userspace
  watch_router
  strongswan_client_configure aes256-sha256-modp2048 "$1"
  strongswan_start client "$client"
  swanctl client --initiate --child net --timeout 20
  carries_traffic
  assert_kernel_carried "$client" $headend_address
  assert_equal 0 "$(sa_count "$headend")" "SAs in the headend's kernel"
  swanctl client --terminate --ike headend --timeout 10
  assert_router_saw_esp udp
  wait_for 5 "the headend to drop the client's route" client_route_gone
}

client_route_gone() {
  ! ip -n "$headend" route show $client_address | grep -q ironflex0
}

gcm='esp-gcm 256'
sha1='esp-aes 256 esp-sha-hmac'
sha256='esp-aes 256 esp-sha256-hmac'
lab_case userspace-headend-aes-gcm our_client userspace kernel "$gcm"
lab_case userspace-headend-aes-cbc-sha1 our_client userspace kernel "$sha1"
lab_case userspace-headend-aes-cbc-sha256 our_client userspace kernel "$sha256"
lab_case userspace-client-aes-gcm our_client kernel userspace "$gcm"
lab_case userspace-client-aes-cbc-sha1 our_client kernel userspace "$sha1"
lab_case userspace-client-aes-cbc-sha256 our_client kernel userspace "$sha256"
lab_case strongswan-aes-gcm strongswan_client aes256gcm16 "$gcm"
lab_case strongswan-aes-cbc-sha1 strongswan_client aes256-sha1 "$sha1"
lab_case strongswan-aes-cbc-sha256 strongswan_client aes256-sha256 "$sha256"
