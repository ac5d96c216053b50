#!/bin/bash
# kernel: any
# limit: 600
# takes: 80
# Our client and our headend, both on the kernel's ESP.
# shellcheck disable=SC2119,SC2154 # variables are set by name, by network, spawn and capture_start
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
needs openssl ping socat tcpdump
headend_prepare

# RFC 4303 §2#1: ESP that is not in UDP is protocol 50 on the wire.
carries_a_session() { # routed|nat bare|udp TRANSFORM [IKE-LINE…]
  local way=$1 form=$2
  shift 2
  network "$way"
  foreign_network "$headend"
  headend_configure "$@" </dev/null
  remember_network "$client" client
  remember_network "$headend" headend-before-the-start
  headend_start kernel
  remember_network "$headend" headend
  watch_router
  client_start kernel
  carries_traffic
  tells_no_key
  assert_kernel_carried "$headend" "$(outer_client "$way")"
  assert_kernel_carried "$client" $headend_address
  client_leave
  assert_router_saw_esp "$form"
  assert_network_back "$client" client "after its delete"
  assert_network_back "$headend" headend "after the client's delete"
  wait_for 5 "the headend to say that the client left" says "$LAB_DIR/headend/log" 'is DOWN\..*reason: deleted by the peer'
  stop_process "$headend_process"
  assert_network_back "$headend" headend-before-the-start "after SIGTERM"
}

# What a bundle tells of the kernel's SAs: all of them, and no key of theirs, in whatever form a program may write one.
tells_no_key() {
  local form key keys spi spis bundle=$LAB_DIR/support.tar
  spis=$(ip -n "$headend" xfrm state | sed -n 's/.* spi \(0x[0-9a-f]*\) .*/\1/p')
  keys=$(ip -n "$headend" xfrm state | grep -o '0x[0-9a-f]\{32,\}')
  [ -n "$spis" ] || fail "the kernel has no SAs"
  [ -n "$keys" ] || fail "the kernel shows no keys"
  in_ns "$headend" "$IRONFLEX" support-bundle --config "$LAB_DIR/headend/headend.conf" --state-dir "$LAB_DIR/headend/state" "$bundle"
  tar -xOf "$bundle" ironflex-support/dataplane.txt >"$LAB_DIR/dataplane.txt"
  for spi in $spis; do
    grep -qF "SPI $spi," "$LAB_DIR/dataplane.txt" || fail "the bundle has no SA with the SPI $spi"
  done
  # Its octets as digits, and its text without what may stand between the digits of a key.
  od -An -v -tx1 "$bundle" | tr -d ' \n' >"$LAB_DIR/octets"
  tr -d ' \t\n:' <"$bundle" | sed 's/0x//g' >"$LAB_DIR/digits"
  for key in $keys; do
    # The first sixteen octets, for what follows may be a salt that is kept elsewhere.
    key=${key:2:32}
    ! grep -qF "$key" "$LAB_DIR/octets" || fail "the bundle has the octets of a key of the kernel's"
    for form in "$key" "$(listed %d "$key")" "$(listed %x "$key")" "$(listed %02x "$key")"; do
      ! grep -qaiF "$form" "$LAB_DIR/digits" || fail "the bundle has a key of the kernel's, as $form"
    done
  done
}

# The octets of a key as Debug writes a list of them, without its spaces.
listed() { # FORMAT DIGITS
  local at octets
  for ((at = 0; at < ${#2}; at += 2)); do
    # shellcheck disable=SC2059 # the format is what is asked for
    printf -v octets "%s,$1" "${octets:-}" "0x${2:at:2}"
  done
  printf '%s\n' "${octets#,}"
}

# The headend ends while a client is there.
takes_its_leave() {
  network routed
  foreign_network "$headend"
  headend_configure 'esp-gcm 256' </dev/null
  remember_network "$client" client
  remember_network "$headend" headend
  headend_start kernel
  client_start kernel
  ping_sizes "$client" $server_address 56
  stop_process "$headend_process"
  wait_for 5 "the client to hear of it" process_gone "$client_process"
  grep -q '^.*the headend ended the session' "$LAB_DIR/client.log" || fail "the client says: $(tail -n 1 "$LAB_DIR/client.log")"
  assert_network_back "$headend" headend "after SIGTERM with a session"
  assert_network_back "$client" client "after the headend's delete"
}

# What has the tunnel's address goes into the tunnel or nowhere; what a killed client left goes with the next one.
keeps_its_address_inside() {
  network routed
  foreign_network "$client"
  headend_configure 'esp-gcm 256' </dev/null
  headend_start kernel
  remember_network "$client" client
  watch_router
  client_start kernel
  # Not on the split list, and with a route of its own that leads out in clear.
  in_ns "$client" ping -q -c 2 -W $((5 * lab_stretch)) -I $client_address $headend_address
  kill -KILL "$client_process"
  wait_for 5 "the client's end" process_gone "$client_process"
  wait "$client_process" || true
  # The kernel goes on; the headend does not know yet.
  in_ns "$client" ping -q -c 2 -W $((5 * lab_stretch)) -I $client_address $headend_address
  client_address=192.168.10.6
  client_start kernel
  grep -q '^removed what an earlier client left: 2 SAs, 3 policies, .* 1 routing rule, 1 address' "$LAB_DIR/client.log" ||
    fail "the client did not clear away what the killed one left: $(cat "$LAB_DIR/client.log")"
  carries_traffic
  client_leave
  assert_router_saw_esp bare
  assert_network_back "$client" client "after a killed client and another's delete"
}

# The client's network, address and router become others while it pings: with MOBIKE the SAs follow on both sides.
goes_on_from_another_address() {
  local pings received
  network routed
  headend_configure 'esp-gcm 256' </dev/null
  headend_start kernel
  client_start kernel
  ping_sizes "$client" $server_address 56
  spawn pings "$LAB_DIR/pings" in_ns "$client" ping -n -q -i 0.02 -c 400 -W $((5 * lab_stretch)) $server_address
  wait_for 10 "pings through the tunnel" carried_from 198.51.100.2 100
  ip -n "$router" address add 203.0.113.1/24 dev inside
  printf '%s\n' 'address add 203.0.113.2/24 dev outside' 'route replace default via 203.0.113.1' \
    'address delete 198.51.100.2/24 dev outside' | ip -n "$client" -batch -
  wait_for 5 "the client to move" grep -q 'the tunnel goes on from 203.0.113.2' "$LAB_DIR/client.log"
  wait_for 5 "SAs at the new address" carried_from 203.0.113.2 100
  wait "$pings" || true
  received=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$LAB_DIR/pings")
  tell "another-address: $received of 400 pings every 20 ms came back across the move"
  # What came back too late is lost: fifty of them are a second.
  [ "$received" -ge 350 ] || fail "only $received of 400 pings came back"
  tcp_copy "$client" "$server" $server_address 7000 5
  client_leave
}

# Types configuration at the headend, a line an argument; anything that is said of it is an error, but that sessions go on.
configure_headend() { # LINE…
  local said
  said=$("$IRONFLEX" exec --state-dir "$LAB_DIR/headend/state" 'configure terminal' "$@" end) || fail "refused: $said"
  # Where there is no nf_tables, the headend says so.
  said=$(sed -e '/this kernel has no nf_tables/d' -e '/; sessions go on as they came up: test (/d' <<<"$said")
  assert_equal '' "$said" "what the headend says of $*"
}

# Address translation, the split list and the Loopback's address become others while a session is up and pings. It stays as it
# came up, by its SAs too, and clients that come later have what is configured then.
changes_while_a_session_is_up() {
  local pings received spis
  network routed
  foreign_network "$headend"
  headend_configure 'esp-gcm 256' <<<$'interface GigabitEthernet1\n device outside\n'
  remember_network "$headend" headend
  headend_start kernel
  client_start kernel
  carries_traffic
  spis=$(ip -n "$headend" xfrm state | grep -o 'spi 0x[0-9a-f]*' | sort)
  spawn pings "$LAB_DIR/pings" in_ns "$client" ping -n -q -i 0.02 -c 400 -W $((5 * lab_stretch)) $server_address
  wait_for 10 "pings through the tunnel" carried_from 198.51.100.2 100
  configure_headend 'ip access-list extended NAT2' 'permit ip 192.168.10.0 0.0.0.255 any' exit \
    'no ip nat inside source list NAT interface GigabitEthernet1 overload' \
    'ip nat inside source list NAT2 interface GigabitEthernet1 overload'
  configure_headend 'ip access-list standard split_tunnel' 'permit 172.16.0.0 0.15.255.255'
  # Within one network, and into it: where the old one goes, the new one stays.
  configure_headend 'interface Loopback100' 'ip address 10.0.0.2 255.255.255.0'
  configure_headend 'interface Loopback100' 'ip address 10.0.0.3 255.255.255.0'
  wait "$pings" || true
  received=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$LAB_DIR/pings")
  assert_equal 400 "$received" "pings that came back across the changes"
  assert_equal "$spis" "$(ip -n "$headend" xfrm state | grep -o 'spi 0x[0-9a-f]*' | sort)" "the SAs after the changes"
  ping_sizes "$client" 10.0.0.3 0 1400
  ! in_ns "$client" ping -q -c 1 -W 1 10.0.0.1 || fail "the Loopback's old address answers"
  tcp_copy "$client" "$server" $server_address 7100 1
  # What leaves by the outside interface still has its address.
  [ "${LAB_KERNEL:-own}" = uml ] || in_ns "$headend" nft list table inet ironflex | grep -q 'oifname "outside".*masquerade' ||
    fail "no address translation is left"
  client_leave
  client_expects="address $client_address, routes 10.0.0.0/8 172.16.0.0/12," client_start kernel
  ping_sizes "$client" $server_address 56
  client_leave
  stop_process "$headend_process"
  assert_network_back "$headend" headend "after SIGTERM"
}

# The router that hides the client forgets its mappings in mid-transfer: what the client sends comes from another port, and then from
# another address too, and what is sent to the old place is lost. RFC 7296 §2.23: ESP is followed at its first authentic packet.
goes_on_by_new_mappings() { # NAME [OPTION…]
  local name=$1 pings flow gap more
  shift
  network nat
  headend_configure 'esp-gcm 256' </dev/null
  headend_start kernel
  client_start kernel "$@"
  spawn flow "$LAB_DIR/flow" "$LAB_TOOL" flow "$server" "$client" $client_address 5003 $((60 * lab_stretch))
  spawn pings "$LAB_DIR/pings" in_ns "$client" ping -n -D -i 0.01 $server_address
  wait_for 10 "pings" more_answers 50
  remaps 192.0.2.2 192.0.2.2 40000
  wait_for 5 "SAs at another port" follows 192.0.2.2 40000
  more=$(answers)
  wait_for 5 "further pings" more_answers $((more + 50))
  remaps 192.0.2.2 192.0.2.3 41000
  wait_for 5 "SAs at another address and port" follows 192.0.2.3 41000
  more=$(answers)
  wait_for 5 "further pings" more_answers $((more + 50))
  kill -INT "$pings"
  wait_for 5 "the end of the pings" process_gone "$pings"
  # If it has ended by itself, it has said why.
  kill "$flow" 2>/dev/null || true
  wait_for 15 "the end of the transfer" process_gone "$flow"
  gap=$(longest_gap)
  tell "$name: no answer for $gap ms at the most, across a new port and a new address; transfer beside it: $(<"$LAB_DIR/flow")"
  [ "$gap" -lt $((1000 * lab_stretch)) ] || fail "no answer for $gap ms"
  says "$LAB_DIR/flow" '^sent ' || fail "the transfer: $(<"$LAB_DIR/flow")"
  client_leave
  wait_for 5 "the headend to say that the client left" says "$LAB_DIR/headend/log" 'is DOWN\..*reason: deleted by the peer'
  assert_equal 0 "$(sa_count "$headend")" "SAs in the headend's kernel"
}

# Has the router begin anew under ADDRESS, with other ports: a masquerade ends with its address.
remaps() { # OLD-ADDRESS ADDRESS FIRST-PORT
  case ${LAB_KERNEL:-own} in
    uml)
      in_ns "$router" iptables-legacy -t nat -F POSTROUTING
      in_ns "$router" iptables-legacy -t nat -A POSTROUTING -o outside -p udp -j MASQUERADE --to-ports "$3-$(($3 + 9))"
      ;;
    *) in_ns "$router" nft "flush chain ip lab nat; add rule ip lab nat oifname outside meta l4proto udp masquerade to :$3-$(($3 + 9))" ;;
  esac
  printf '%s\n' "address delete $1/24 dev outside" "address add $2/24 dev outside" | ip -n "$router" -batch -
}

# Whether the headend's kernel sends to a port of the ten from FIRST-PORT on, and to ADDRESS alone.
follows() { # ADDRESS FIRST-PORT
  local states
  states=$(ip -n "$headend" xfrm state list src $headend_address)
  # Indented lines are about what is inside.
  [ "$(sed -n 's/^src .* dst //p' <<<"$states" | sort -u)" = "$1" ] &&
    [[ $(grep -o 'dport [0-9]*' <<<"$states" | sort -u) =~ ^dport\ ${2%?}[0-9]$ ]]
}

answers() {
  local lines
  mapfile -t lines <"$LAB_DIR/pings"
  echo ${#lines[@]}
}

more_answers() { # NUMBER
  [ "$(answers)" -ge "$1" ]
}

# The longest time between two answers of pings, in milliseconds.
longest_gap() {
  awk '/bytes from/ { now = substr($1, 2) + 0; if (last && now - last > longest) longest = now - last; last = now }
    END { printf "%d\n", longest * 1000 }' "$LAB_DIR/pings"
}

# The kernel alone counts what goes through an SA: its EXPIRE at a number of octets is what a rekey by volume comes from. The number
# is the least that IOS-XE takes, and the load one that the kernel's margin, a sixteenth to an eighth of it, lasts half a second for.
rekeys_by_volume() {
  local told pings lost soft hard gone
  network routed
  headend_configure 'esp-gcm 256' <<<$'!\ncrypto ipsec security-association lifetime kilobytes 2560'
  headend_start kernel
  client_start kernel
  spawn told "$LAB_DIR/expire" in_ns "$headend" stdbuf -oL ip xfrm monitor SA expire
  spawn pings "$LAB_DIR/pings" in_ns "$client" ping -n -q -i 0.004 -s 1300 -c 4500 -W $((5 * lab_stretch)) $server_address
  wait_for 90 "the end of the pings" process_gone "$pings"
  lost=$(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received,.*/\1 - \2/p' "$LAB_DIR/pings")
  lost=$((${lost:?ping says how many were answered}))
  wait_for 5 "the end of a second SA that was rekeyed" outbound_sas_gone 2
  soft=$(grep -c 'hard 0' "$LAB_DIR/expire" || true) hard=$(grep -c 'hard 1' "$LAB_DIR/expire" || true)
  gone=$(grep -c "^Deleted src $headend_address " "$LAB_DIR/expire" || true)
  tell "kilobyte-lifetime: 6 MB each way at 2560 KB an SA: $soft soft and $hard hard limits told, $gone SAs replaced, pings lost: $lost"
  assert_equal 0 "$lost" "pings lost"
  assert_equal 0 "$hard" "SAs that reached their hard limit"
  [ "$soft" -ge 2 ] || fail "the kernel told of $soft limits"
  stop_process "$told"
  client_leave
}

outbound_sas_gone() { # NUMBER
  [ "$(grep -c "^Deleted src $headend_address " "$LAB_DIR/expire")" -ge "$1" ]
}

carried_from() { # ADDRESS PACKETS
  [ "$(esp_packets "$headend" "$1")" -ge "$2" ]
}

cbc='esp-aes 256 esp-sha256-hmac'
gcm='esp-gcm 256'
ike_gcm=('encryption aes-gcm-256' 'prf sha384' 'group 19')
lab_case aes-cbc-sha256 carries_a_session routed bare "$cbc"
lab_case aes-cbc-sha256-nat carries_a_session nat udp "$cbc"
lab_case aes-gcm carries_a_session routed bare "$gcm" "${ike_gcm[@]}"
lab_case aes-gcm-nat carries_a_session nat udp "$gcm" "${ike_gcm[@]}"
lab_case sigterm-with-a-session takes_its_leave
lab_case killed-client keeps_its_address_inside
lab_case another-address goes_on_from_another_address
lab_case configured-meanwhile changes_while_a_session_is_up
lab_case new-mappings goes_on_by_new_mappings new-mappings
lab_case new-mappings-without-mobike goes_on_by_new_mappings new-mappings-without-mobike --no-mobike
lab_case kilobyte-lifetime rekeys_by_volume
