#!/bin/bash
# kernel: any
# limit: 600
# takes: 25
# Stock strongSwan against itself: certificates, an address from a pool, traffic, delete. It shows that the lab can do what
# the interop suites ask of it, with the headend's place taken by a second strongSwan.
# shellcheck disable=SC2154 # netns_add, spawn and capture_start set the variables that they are given the names of
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../strongswan.sh
. "$(dirname "$0")/../strongswan.sh"
needs charon-systemd swanctl openssl socat tcpdump

strongswan_prepare headend
strongswan_prepare client
certificate_authority "$LAB_DIR/pki" ca
certificate "$LAB_DIR/pki" ca headend DNS:headend.example serverAuth
certificate "$LAB_DIR/pki" ca client email:client@example clientAuth
for name in headend client; do
  cp "$LAB_DIR/pki/ca.crt" "$LAB_DIR/$name/swanctl/x509ca/"
  cp "$LAB_DIR/pki/$name.crt" "$LAB_DIR/$name/swanctl/x509/"
  cp "$LAB_DIR/pki/$name.key" "$LAB_DIR/$name/swanctl/private/"
done

# Proposals of the IKE SA and the child SA; what the client asks for is the argument.
configure() { # IKE-PROPOSAL ESP-PROPOSAL
  cat >"$LAB_DIR/headend/swanctl/swanctl.conf" <<CONFIGURATION
connections {
  remote-access {
    version = 2
    local_addrs = 192.0.2.1
    proposals = $1
    pools = clients
    local { auth = pubkey
      certs = headend.crt
      id = headend.example }
    remote { auth = pubkey
      cacerts = ca.crt }
    children { net { local_ts = 10.0.0.0/8
      esp_proposals = $2 } }
  }
}
pools { clients { addrs = 192.168.10.5-192.168.10.10 } }
CONFIGURATION
  cat >"$LAB_DIR/client/swanctl/swanctl.conf" <<CONFIGURATION
connections {
  headend {
    version = 2
    remote_addrs = 192.0.2.1
    proposals = $1
    vips = 0.0.0.0
    local { auth = pubkey
      certs = client.crt
      id = client@example }
    remote { auth = pubkey
      id = headend.example
      cacerts = ca.crt }
    children { net { remote_ts = 10.0.0.0/8
      esp_proposals = $2 } }
  }
}
CONFIGURATION
}

# The headend at 192.0.2.1 with 10.0.0.1 behind it; the client at 198.51.100.2; a router between, which may translate.
network() { # routed|nat
  netns_add headend
  netns_add client
  netns_add router
  veth_add "$router" outside 192.0.2.2/24 "$headend" outside 192.0.2.1/24
  veth_add "$router" inside 198.51.100.1/24 "$client" outside 198.51.100.2/24
  ip -n "$client" route add default via 198.51.100.1
  ip -n "$headend" route add default via 192.0.2.2
  "$LAB_TOOL" set "$router" net/ipv4/ip_forward=1
  [ "$1" != nat ] || masquerade "$router" outside
  ip -n "$headend" address add 10.0.0.1/32 dev lo
}

carries_a_session() { # routed|nat IKE-PROPOSAL ESP-PROPOSAL
  network "$1"
  configure "$2" "$3"
  capture_start capture "$router" any "$LAB_DIR/wire.pcap"
  strongswan_start headend "$headend"
  strongswan_start client "$client"
  swanctl client --initiate --child net --timeout 20
  swanctl client --list-sas
  [ -n "$(ip -n "$client" -4 -o address show to 192.168.10.5)" ] || fail "the client did not get 192.168.10.5"
  assert_equal 2 "$(sa_count "$headend")" "SAs in the headend's kernel"
  ping_sizes "$client" 10.0.0.1 0 56 1300
  ping_sizes "$headend" 192.168.10.5 56
  tcp_copy "$client" "$headend" 10.0.0.1 5001 2
  tcp_copy "$headend" "$client" 192.168.10.5 5002 2
  swanctl client --terminate --ike headend --timeout 10
  wait_for 5 "the headend to drop its SAs" no_sas "$headend"
  assert_equal 0 "$(sa_count "$client")" "SAs left in the client's kernel"
  stop_process "$capture"
  [ "$(tcpdump -n -r "$LAB_DIR/wire.pcap" udp port 4500 2>/dev/null | wc -l)" -gt 0 ] || fail "the capture saw nothing"
  assert_equal 0 "$(tcpdump -n -r "$LAB_DIR/wire.pcap" net 192.168.10.0/24 2>/dev/null | wc -l)" "packets with a pool address in clear"
}

lab_case aes-gcm carries_a_session routed aes256-sha256-modp2048 aes256gcm16
lab_case aes-cbc-sha256 carries_a_session routed aes256-sha256-modp2048 aes256-sha256
lab_case aes-gcm-nat carries_a_session nat aes256gcm16-prfsha384-ecp256 aes256gcm16
lab_case aes-cbc-sha256-nat carries_a_session nat aes128-sha256-curve25519 aes128-sha256
