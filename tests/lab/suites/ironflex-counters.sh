#!/bin/bash
# kernel: any
# limit: 600
# takes: 20
# What the headend says that its SAs have carried is what the kernel counted, and what the client's kernel counted at the other end.
# shellcheck disable=SC2119,SC2154 # variables are set by name, by network, spawn and capture_start
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
# shellcheck source-path=SCRIPTDIR source=../strongswan.sh
. "$(dirname "$0")/../strongswan.sh"
needs charon-systemd swanctl openssl ping socat
headend_prepare
strongswan_client_prepare

# `lifetime kilobytes` where no line sets another, of which `show crypto session detail` counts down. Kilobytes of 1,024
# octets, as on IOS; the octets are the inner packets', without what ESP adds.
lifetime_kilobytes=4608000

our_client() {
  headend_configure 'esp-gcm 256' </dev/null
  headend_start kernel
  client_start kernel
  counters_agree "our client"
}

strongswan_client() {
  certificate_profile | headend_configure 'esp-aes 256 esp-sha256-hmac'
  headend_start kernel
  strongswan_client_configure aes256-sha256-modp2048 aes256-sha256
  strongswan_start client "$client"
  swanctl client --initiate --child net --timeout 20
  counters_agree strongSwan
}

counters_agree() { # CLIENT
  local direction from to verb packets octets kilobytes their_packets their_octets shown
  # Uneven on purpose: more comes in than goes out.
  ping_sizes "$client" $server_address 0 56 1372 1400
  ping_sizes "$server" $client_address 56
  tcp_copy "$client" "$server" $server_address 5001 2
  tcp_copy "$server" "$client" $client_address 5002 1
  for direction in Inbound Outbound; do
    case $direction in
      Inbound) from=198.51.100.2 to=$headend_address verb="dec'ed" ;;
      Outbound) from=$headend_address to=198.51.100.2 verb="enc'ed" ;;
    esac
    read -r packets octets < <(esp_traffic "$headend" "$from" "$to")
    read -r their_packets their_octets < <(esp_traffic "$client" "$from" "$to")
    "$IRONFLEX" exec --state-dir "$LAB_DIR/headend/state" show crypto session detail >"$LAB_DIR/session"
    shown=$(sed -n "s/^ *$direction: *//p" "$LAB_DIR/session")
    tell "$1, $direction: $shown" \
      "  ip -s xfrm state, headend: $packets packets, $octets octets; client: $their_packets packets, $their_octets octets"
    kilobytes=$((lifetime_kilobytes - octets / 1024))
    # Its seconds go on counting.
    assert_equal "#pkts $verb $packets drop 0 life (KB/Sec) $kilobytes/" "${shown%/*}/" "$direction of show crypto session detail"
    assert_equal "$packets $octets" "$their_packets $their_octets" "$direction at the client"
    ((octets > 1000000)) || fail "only $octets octets went through the SAs"
  done
}

network routed
lab_case our-client our_client
lab_case strongswan strongswan_client
