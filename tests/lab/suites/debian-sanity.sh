#!/bin/bash
# kernel: debian
# limit: 600
# takes: 20
# What only the full kernel has and the headend's interface path needs: xfrm interfaces, masquerade by nf_tables, netem.
# shellcheck disable=SC2154 # netns_add, spawn and capture_start set the variables that they are given the names of
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
needs nft ping socat tc

# ESP between two xfrm interfaces: routed by the interface, SA and policy bound to it by if_id.
carries_traffic_over_xfrm_interfaces() {
  local key
  key=0x$(head -c 36 /dev/urandom | od -A n -t x1 | tr -d ' \n')
  netns_add left
  netns_add right
  veth_add "$left" outside 192.0.2.1/24 "$right" outside 192.0.2.2/24
  side 192.0.2.1 192.0.2.2 10.1.0.1 10.1.0.2 "$key" | ip -n "$left" -batch -
  side 192.0.2.2 192.0.2.1 10.1.0.2 10.1.0.1 "$key" | ip -n "$right" -batch -
  ping_sizes "$left" 10.1.0.2 0 56 1300
  assert_equal 3 "$(esp_packets "$left" 192.0.2.2)" "ESP packets sent for three pings"
  tcp_copy "$left" "$right" 10.1.0.2 5001 1
}

side() { # SOURCE TARGET HERE THERE KEY
  cat <<COMMANDS
link add tunnel type xfrm dev outside if_id 100
address add $3/32 dev tunnel
link set tunnel up mtu 1400
route add $4 dev tunnel
xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 reqid 1 mode tunnel aead rfc4106(gcm(aes)) $5 128 if_id 100
xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x1002 reqid 1 mode tunnel aead rfc4106(gcm(aes)) $5 128 if_id 100
xfrm policy add dir out tmpl src $1 dst $2 proto esp reqid 1 mode tunnel if_id 100
xfrm policy add dir in tmpl src $2 dst $1 proto esp reqid 1 mode tunnel if_id 100
COMMANDS
}

masquerades_with_nf_tables() {
  netns_add client
  netns_add router
  netns_add server
  veth_add "$client" outside 172.16.0.2/24 "$router" inside 172.16.0.1/24
  veth_add "$router" outside 192.0.2.1/24 "$server" outside 192.0.2.2/24
  ip -n "$client" route add default via 172.16.0.1
  masquerade "$router" outside
  in_ns "$router" nft list table ip lab
  # The server has no way back to 172.16.0.0/24.
  ping_sizes "$client" 192.0.2.2 56
}

loses_packets_with_netem() {
  netns_add left
  netns_add right
  veth_add "$left" outside 192.0.2.1/24 "$right" outside 192.0.2.2/24
  ping_sizes "$left" 192.0.2.2 56
  in_ns "$left" tc qdisc add dev outside root netem loss 100%
  ! in_ns "$left" ping -n -q -c 2 -i 0.02 -W 1 192.0.2.2 || fail "a packet came through netem's full loss"
}

lab_case xfrm-interface carries_traffic_over_xfrm_interfaces
lab_case nf-tables-masquerade masquerades_with_nf_tables
lab_case netem-loss loses_packets_with_netem
