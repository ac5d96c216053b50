#!/bin/bash
# kernel: any
# limit: 600
# takes: 25
# The kernel's own ESP, set up by hand between two namespaces: without this every other suite's failure would be a riddle.
# shellcheck disable=SC2154 # netns_add, spawn and capture_start set the variables that they are given the names of
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
needs ping socat

key() { # OCTETS: fresh random key
  printf '0x%s' "$(head -c "$1" /dev/urandom | od -A n -t x1 | tr -d ' \n')"
}

# One tunnel each way between left and right with the same transform, and the policies that send 10.1.0.1 and 10.1.0.2 into
# it. One ip process a side: under user-mode-linux starting a program is what takes the time.
tunnel() { # TRANSFORM-ARGUMENTS…
  netns_add left
  netns_add right
  veth_add "$left" outside 192.0.2.1/24 "$right" outside 192.0.2.2/24
  tunnel_side 192.0.2.1 192.0.2.2 10.1.0.1 10.1.0.2 "$@" | ip -n "$left" -batch -
  tunnel_side 192.0.2.2 192.0.2.1 10.1.0.2 10.1.0.1 "$@" | ip -n "$right" -batch -
}

tunnel_side() { # SOURCE TARGET HERE THERE TRANSFORM-ARGUMENTS…
  local source=$1 target=$2 here=$3 there=$4
  shift 4
  cat <<COMMANDS
address add $here/32 dev lo
route add $there dev outside src $here
xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 reqid 1 mode tunnel $*
xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x1002 reqid 1 mode tunnel $*
xfrm policy add src $here dst $there dir out tmpl src $source dst $target proto esp reqid 1 mode tunnel
xfrm policy add src $there dst $here dir in tmpl src $target dst $source proto esp reqid 1 mode tunnel
COMMANDS
}

carries_traffic() { # TRANSFORM-ARGUMENTS…
  local before
  tunnel "$@"
  ping_sizes "$left" 10.1.0.2 0 56 1400
  ping_sizes "$right" 10.1.0.1 56
  # A ping that went round the tunnel would have been answered too.
  before=$(esp_packets "$left" 192.0.2.2)
  ping_sizes "$left" 10.1.0.2 100
  assert_equal $((before + 1)) "$(esp_packets "$left" 192.0.2.2)" "ESP packets sent for a ping"
}

carries_tcp() {
  tunnel aead 'rfc4106(gcm(aes))' "$(key 36)" 128
  tcp_copy "$left" "$right" 10.1.0.2 5001 4
  tcp_copy "$right" "$left" 10.1.0.1 5002 4
}

refuses_a_wrong_key() {
  tunnel aead 'rfc4106(gcm(aes))' "$(key 36)" 128
  ip -n "$right" xfrm state delete src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001
  ip -n "$right" xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 reqid 1 mode tunnel aead 'rfc4106(gcm(aes))' "$(key 36)" 128
  ! in_ns "$left" ping -n -q -c 2 -i 0.02 -W 1 10.1.0.2 || fail "a packet under the wrong key was answered"
  assert_equal 2 "$(ip -n "$right" -s xfrm state list spi 0x1001 | awk '/stats:/ { getline; print $NF }')" "integrity failures counted"
}

has_a_replay_window_of_1024() {
  tunnel aead 'rfc4106(gcm(aes))' "$(key 36)" 128 replay-window 1024 flag esn
  ping_sizes "$left" 10.1.0.2 56
}

takes_esp_in_udp() {
  netns_add left
  ip -n "$left" xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 mode tunnel \
    aead 'rfc4106(gcm(aes))' "$(key 36)" 128 encap espinudp 4500 4500 0.0.0.0
}

carries_ipv6() {
  tunnel aead 'rfc4106(gcm(aes))' "$(key 36)" 128 flag af-unspec
  ip -n "$left" address add 2001:db8::1/128 dev lo nodad
  ip -n "$right" address add 2001:db8::2/128 dev lo nodad
  ip -n "$left" route add 2001:db8::2 dev outside src 2001:db8::1
  ip -n "$right" route add 2001:db8::1 dev outside src 2001:db8::2
  ip -n "$left" xfrm policy add src 2001:db8::1 dst 2001:db8::2 dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 1 mode tunnel
  ip -n "$right" xfrm policy add src 2001:db8::1 dst 2001:db8::2 dir in tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 1 mode tunnel
  ip -n "$right" xfrm policy add src 2001:db8::2 dst 2001:db8::1 dir out tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 1 mode tunnel
  ip -n "$left" xfrm policy add src 2001:db8::2 dst 2001:db8::1 dir in tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 1 mode tunnel
  ping_sizes "$left" 2001:db8::2 56
  assert_equal 1 "$(esp_packets "$left" 192.0.2.2)" "ESP packets sent for a ping"
}

for bits in 128 192 256; do
  lab_case "aes-gcm-$bits" carries_traffic aead 'rfc4106(gcm(aes))' "$(key $((bits / 8 + 4)))" 128
done
for bits in 128 192 256; do
  octets=$((bits / 8))
  lab_case "aes-cbc-$bits-sha1-96" carries_traffic enc 'cbc(aes)' "$(key $octets)" auth-trunc 'hmac(sha1)' "$(key 20)" 96
  lab_case "aes-cbc-$bits-sha256-128" carries_traffic enc 'cbc(aes)' "$(key $octets)" auth-trunc 'hmac(sha256)' "$(key 32)" 128
done
lab_case aes-cbc-256-sha384-192 carries_traffic enc 'cbc(aes)' "$(key 32)" auth-trunc 'hmac(sha384)' "$(key 48)" 192
lab_case aes-cbc-256-sha512-256 carries_traffic enc 'cbc(aes)' "$(key 32)" auth-trunc 'hmac(sha512)' "$(key 64)" 256
lab_case tcp carries_tcp
lab_case wrong-key refuses_a_wrong_key
lab_case replay-window-1024 has_a_replay_window_of_1024
lab_case esp-in-udp takes_esp_in_udp
lab_case ipv6-in-ipv4 carries_ipv6
