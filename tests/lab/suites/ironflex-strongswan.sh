#!/bin/bash
# kernel: any
# limit: 600
# takes: 40
# Stock strongSwan as the client of our headend, both on the kernel's ESP: certificates, an address from the pool, traffic,
# its delete.
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

carries_a_session() { # routed|nat bare|udp IKE-PROPOSAL ESP-PROPOSAL TRANSFORM [IKE-LINE…]
  local way=$1 form=$2 ike=$3 esp=$4
  shift 4
  network "$way"
  foreign_network "$headend"
  certificate_profile | headend_configure "$@"
  remember_network "$headend" headend-before-the-start
  headend_start kernel
  remember_network "$headend" headend
  watch_router
  strongswan_client_configure "$ike" "$esp"
  strongswan_start client "$client"
  swanctl client --initiate --child net --timeout 20
  swanctl client --list-sas
  [ -n "$(ip -n "$client" -4 -o address show to $client_address)" ] || fail "the client did not get $client_address"
  grep -q 'is UP\..*client.example.com.*address: 192.168.10.5' "$LAB_DIR/headend/log" || fail "the headend did not say that the client came"
  carries_traffic
  assert_kernel_carried "$headend" "$(outer_client "$way")"
  assert_kernel_carried "$client" $headend_address
  swanctl client --terminate --ike headend --timeout 10
  assert_equal 0 "$(sa_count "$client")" "SAs left in the client's kernel"
  assert_router_saw_esp "$form"
  assert_network_back "$headend" headend "after the client's delete"
  stop_process "$headend_process"
  assert_network_back "$headend" headend-before-the-start "after SIGTERM"
}

# RFC 6023: the IKE SA first and alone, and the child SA under it.
carries_a_session_that_began_alone() {
  local peer_childless=force
  carries_a_session "$@"
  grep -q 'parsed IKE_SA_INIT response.*N(CHDLESS_SUP)' "$LAB_DIR/client/charon.log" || fail "the headend did not offer to begin alone"
  grep -q 'parsed CREATE_CHILD_SA response.* TSi TSr' "$LAB_DIR/client/charon.log" || fail "the child SA did not come by itself"
}

# A certificate for the right name from an authority that the headend does not know.
refuses_a_stranger() {
  network routed
  certificate_profile | headend_configure 'esp-gcm 256'
  headend_start kernel
  strongswan_client_configure aes256-sha256-modp2048 aes256gcm16
  strongswan_prepare stranger
  certificate_authority "$LAB_DIR/stranger/pki" other
  certificate "$LAB_DIR/stranger/pki" other client.example.com DNS:client.example.com clientAuth
  cp "$LAB_DIR/pki/ca.crt" "$LAB_DIR/stranger/swanctl/x509ca/"
  cp "$LAB_DIR/stranger/pki/client.example.com.crt" "$LAB_DIR/stranger/swanctl/x509/client.crt"
  cp "$LAB_DIR/stranger/pki/client.example.com.key" "$LAB_DIR/stranger/swanctl/private/"
  cp "$LAB_DIR/client/swanctl/swanctl.conf" "$LAB_DIR/stranger/swanctl/"
  strongswan_start stranger "$client"
  ! swanctl stranger --initiate --child net --timeout 20 || fail "a stranger's certificate was accepted"
  grep -q 'AUTH_FAILED' "$LAB_DIR/stranger/charon.log" || fail "the stranger was not told AUTHENTICATION_FAILED"
  assert_equal 0 "$(sa_count "$headend")" "SAs in the headend's kernel"
}

cbc='esp-aes 256 esp-sha256-hmac'
gcm='esp-gcm 256'
ike_gcm=('encryption aes-gcm-256' 'prf sha384' 'group 19')
lab_case aes-cbc-sha256 carries_a_session routed bare aes256-sha256-modp2048 aes256-sha256 "$cbc"
lab_case aes-cbc-sha256-nat carries_a_session nat udp aes256-sha256-modp2048 aes256-sha256 "$cbc"
lab_case aes-gcm carries_a_session routed bare aes256gcm16-prfsha384-ecp256 aes256gcm16 "$gcm" "${ike_gcm[@]}"
lab_case aes-gcm-nat carries_a_session nat udp aes256gcm16-prfsha384-ecp256 aes256gcm16 "$gcm" "${ike_gcm[@]}"
lab_case childless carries_a_session_that_began_alone routed bare aes256-sha256-modp2048 aes256-sha256 "$cbc"
lab_case stranger refuses_a_stranger
