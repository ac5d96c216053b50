# shellcheck shell=bash
# Sourced after lib.sh by the suites that run ironflex: a headend, a client, a router between them that may translate
# addresses, and a server behind the headend, each in a network namespace.
#
#   server ──────────────── headend ─────────────── router ──────────────────── client
#   10.1.0.2     10.1.0.1 inside  outside 192.0.2.1   .2  198.51.100.1     198.51.100.2 outside
#
# The headend is on 10.0.0.1 (its Loopback100) too, and the pool is 192.168.10.5 to 192.168.10.10, as the example says.
# shellcheck disable=SC2034,SC2154 # the namespaces and processes are set by name, and used by the suites

lab_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# The first address of the pool, which a case's only client is given.
client_address=192.168.10.5
server_address=10.1.0.2
headend_address=192.0.2.1

# The same of IPv6, after network_ipv6, and the pool of dual_stack_profile.
client_address_v6=2001:db8:a::1
server_address_v6=2001:db8:3::2
headend_address_v6=2001:db8:1::1

# Payload sizes of pings: none, around one AES block, around what fits the tunnel in one piece, and beyond it.
ping_payloads=(0 1 15 16 17 64 999 1300 1372 1400)

# --- Topology ---

network() { # routed|nat
  local name
  for name in headend client router server; do
    lab_counter=$((lab_counter + 1))
    printf -v "$name" '%s' "lab-$BASHPID-$lab_counter-$name"
  done
  defer network_delete "$headend" "$client" "$router" "$server"
  "$LAB_TOOL" lay "$headend,$client,$router,$server" \
    wire "$router" outside 192.0.2.2/24 "$headend" outside $headend_address/24 \
    wire "$router" inside 198.51.100.1/24 "$client" outside 198.51.100.2/24 \
    wire "$headend" inside 10.1.0.1/24 "$server" outside $server_address/24 \
    via "$headend" 192.0.2.2 via "$client" 198.51.100.1 via "$server" 10.1.0.1
  "$LAB_TOOL" set "$router,$headend" net/ipv4/ip_forward=1
  [ "$1" != nat ] || masquerade "$router" outside
}

network_delete() { # NAMESPACE…
  local commands
  printf -v commands 'netns delete %s\n' "$@"
  ip -force -batch - <<<"$commands"
}

# Adds IPv6 to every link of a network.
network_ipv6() {
  "$LAB_TOOL" set "$router,$headend" net/ipv6/conf/all/forwarding=1
  ip -n "$router" -batch - <<<$'address add 2001:db8:1::2/64 dev outside\naddress add 2001:db8:2::1/64 dev inside'
  ip -n "$headend" -batch - <<COMMANDS
address add $headend_address_v6/64 dev outside
address add 2001:db8:3::1/64 dev inside
route add default via 2001:db8:1::2
COMMANDS
  ip -n "$client" -batch - <<<$'address add 2001:db8:2::2/64 dev outside\nroute add default via 2001:db8:2::1'
  ip -n "$server" -batch - <<COMMANDS
address add $server_address_v6/64 dev outside
route add default via 2001:db8:3::1
COMMANDS
}

# --- The headend ---

# Takes over what tests/lab/certificates made, if it did.
certificates_at_hand() {
  [ -n "${LAB_CERTIFICATES:-}" ] && cp -a "$LAB_CERTIFICATES/." "$LAB_DIR/"
}

# Makes the certificates of every case, and the headend's PKCS#12 beside its configuration.
headend_prepare() {
  ! certificates_at_hand || return 0
  mkdir -p "$LAB_DIR/headend"
  certificate_authority "$LAB_DIR/pki" ca
  certificate "$LAB_DIR/pki" ca headend "DNS:vpn.example.com,IP:$headend_address,IP:$headend_address_v6" serverAuth
  openssl pkcs12 -export -inkey "$LAB_DIR/pki/headend.key" -in "$LAB_DIR/pki/headend.crt" -certfile "$LAB_DIR/pki/ca.crt" \
    -out "$LAB_DIR/headend/IKEv2-TP.p12" -passout pass:cisco123
  cp "$LAB_DIR/pki/ca.crt" "$LAB_DIR/headend/ca.pem"
  printf 'cisco123\n' >"$LAB_DIR/password"
}

# Writes the example's configuration with another transform-set and, if named, another IKE proposal; what stands on
# standard input follows it.
headend_configure() { # TRANSFORM [IKE-LINE…]
  local transform=$1 lines=
  shift
  [ $# = 0 ] || lines=$(printf ' %s\\n' "$@")
  sed -e "s/^crypto ipsec transform-set TS .*/crypto ipsec transform-set TS $transform/" \
    ${lines:+-e "/^crypto ikev2 proposal/,/^!/{/^ /d;s/^!/${lines}!/}"} \
    "$lab_root/examples/flexvpn-headend.conf" >"$LAB_DIR/headend/headend.conf"
  put >>"$LAB_DIR/headend/headend.conf"
}

headend_start() { # kernel|userspace [OPTION…]
  spawn headend_process "$LAB_DIR/headend/log" in_ns "$headend" "$IRONFLEX" run --config "$LAB_DIR/headend/headend.conf" \
    --state-dir "$LAB_DIR/headend/state" --dataplane "$@"
  evidence "$LAB_DIR/headend/log"
  wait_for 20 "the headend" said_or_ended "$LAB_DIR/headend/log" ' ready$' "$headend_process"
  ! process_gone "$headend_process" || fail "the headend ended: $(tail -n 1 "$LAB_DIR/headend/log")"
}

# Whether LOG has a line that matches, or the process can say nothing any more.
said_or_ended() { # LOG PATTERN PROCESS
  says "$1" "$2" || process_gone "$3"
}

# The headend's configuration for clients with a certificate and an address from the pool.
certificate_profile() {
  put <<'CONFIGURATION'
!
crypto pki trustpoint CLIENTS
crypto pki authenticate CLIENTS pem bootflash:ca.pem
!
crypto ikev2 authorization policy CERTIFICATES
 pool ACPool
 route set access-list split_tunnel
!
crypto ikev2 profile CERTIFICATES
 match identity remote fqdn client.example.com
 authentication local rsa-sig
 authentication remote rsa-sig
 pki trustpoint IKEv2-TP sign
 pki trustpoint CLIENTS verify
 aaa authorization group cert list a-eap-author-grp CERTIFICATES
 virtual-template 101
!
crypto ipsec profile CERTIFICATES
 set transform-set TS
 set ikev2-profile CERTIFICATES
!
interface Virtual-Template101 type tunnel
 ip unnumbered Loopback100
 ip mtu 1400
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile CERTIFICATES
CONFIGURATION
}

# A pool of IPv6 for the clients of a Virtual-Template and an authorization policy, and a split list that holds the server.
dual_stack() { # NUMBER POLICY
  cat <<CONFIGURATION
!
ipv6 local pool ACPool6 2001:db8:a::/64 128
!
ipv6 access-list split_tunnel6
 permit ipv6 2001:db8:3::/64 any
!
interface Virtual-Template$1
 ipv6 enable
 tunnel mode ipsec dual-overlay
!
crypto ikev2 authorization policy $2
 ipv6 pool ACPool6
 route set access-list ipv6 split_tunnel6
CONFIGURATION
}

# --- Our client ---

# The headend is called by client_target, and assigns what client_expects says, where a suite sets them.
client_start() { # kernel|userspace [OPTION…]
  local expected=${client_expects:-address $client_address, routes 10.0.0.0/8,}
  lab_input=$LAB_DIR/password spawn client_process "$LAB_DIR/client.log" in_ns "$client" "$IRONFLEX" connect "${client_target:-$headend_address}" \
    --user test --password-stdin --ca "$LAB_DIR/pki/ca.crt" --no-dns --once --dataplane "$@"
  evidence "$LAB_DIR/client.log"
  wait_for 20 "the login" said_or_ended "$LAB_DIR/client.log" '^connected: ' "$client_process"
  says "$LAB_DIR/client.log" "^connected: $expected .* in $1" ||
    fail "no tunnel in $1: $(tail -n 1 "$LAB_DIR/client.log")"
}

# Asks the client to leave; it must say goodbye and come to a good end.
client_leave() {
  local status=0
  kill "$client_process"
  wait_for 10 "the client's end" process_gone "$client_process"
  wait "$client_process" || status=$?
  assert_equal 0 "$status" "exit status of the client"
}

# --- Judging ---

# Packets of every size and TCP, both ways, to the headend itself and to the server behind it.
carries_traffic() {
  ping_sizes "$client" 10.0.0.1 0 1400
  ping_sizes "$client" $server_address "${ping_payloads[@]}"
  ping_sizes "$server" $client_address "${ping_payloads[@]}"
  tcp_copy "$client" "$server" $server_address 5001 1
  tcp_copy "$server" "$client" $client_address 5002 1
}

# From here on the router notes the head of what passes it. Without a FILTER by a program that is there at once.
watch_router() { # [FILTER…]
  if [ $# -gt 0 ]; then
    capture_start router_capture "$router" any "$LAB_DIR/router.pcap" -s 128 "$@"
    router_own=2
  else
    spawn router_capture "$LAB_DIR/router.pcap.log" "$LAB_TOOL" capture "$router" "$LAB_DIR/router.pcap" 128
    wait_for 10 "the router's capture" said_or_ended "$LAB_DIR/router.pcap.log" '^listening' "$router_capture"
    ! process_gone "$router_capture" || fail "the router's capture: $(<"$LAB_DIR/router.pcap.log")"
    # Each of the two shows as it leaves and as it comes, of which tcpdump takes one.
    router_own=4
  fi
}

# Ends the watch once last packets of our own are in the file, and so everything before them. They have inner addresses in clear, of
# nobody, and go from the router to itself, for a masquerade would hide them: who judges the file must have seen them.
router_watch_ends() {
  "$LAB_TOOL" udp "$router" ::1 9 lab-begins-to-end 2001:db8:a::ffff
  "$LAB_TOOL" udp "$router" 127.0.0.1 9 lab-end 192.168.10.255
  wait_for 5 "the capture's end" "$LAB_TOOL" holds "$LAB_DIR/router.pcap" lab-end
  stop_process "$router_capture"
  ! says "$LAB_DIR/router.pcap.log" 'did not get into' || fail "the router's capture: $(<"$LAB_DIR/router.pcap.log")"
}

# Ends the watch: no inner address in clear, and ESP in the form that is expected.
assert_router_saw_esp() { # bare|udp
  local clear bare udp
  router_watch_ends
  # Not by tcpdump, which would be three programs of 60 ms each.
  read -r clear bare udp < <(exec "$LAB_TOOL" saw "$LAB_DIR/router.pcap" 192.168.10.0/24 10.0.0.0/8 2001:db8:a::/64 2001:db8:3::/64)
  assert_equal "$router_own" "$clear" "packets with an inner address in clear, those of our own among them"
  case $1 in
    bare) [ "$bare" -gt 0 ] && [ "$udp" = 0 ] ;;
    udp) [ "$udp" -gt 0 ] && [ "$bare" = 0 ] ;;
  esac || fail "the router saw ESP: $bare bare, $udp in UDP; expected $1 alone"
}

# Names and processes of those that call without a pause, as long as the case lasts.
callers=()

# Echoes to ADDRESS without a pause, until the case ends.
call_without_a_pause() { # NAME NAMESPACE ADDRESS [SOURCE]
  local process name=$1
  shift
  spawn process "$LAB_DIR/call-$name.log" "$LAB_TOOL" call "$@"
  callers+=("$name $process")
}

# Sets `tried` to the echoes that a caller has tried to send by now, and `sent` to those that its system has taken.
count_calls() { # NAME
  local lines
  tried=0 sent=0
  mapfile -t lines <"$LAB_DIR/call-$1.log"
  [ ${#lines[@]} -gt 0 ] || return 0
  # Or it has died of what its last line says.
  [[ ${lines[-1]} =~ ^tried\ ([0-9]+)\ sent\ ([0-9]+)$ ]] || return
  tried=${BASH_REMATCH[1]} sent=${BASH_REMATCH[2]}
}

called_since() { # NAME COUNT
  count_calls "$1" && [ "$tried" -ge "$2" ]
}

# Waits until each caller has tried to send so many echoes more.
wait_for_calls() { # COUNT
  local one name tried sent
  local -A awaited=()
  for one in "${callers[@]}"; do
    name=${one% *}
    count_calls "$name" || fail "the caller $name: $(<"$LAB_DIR/call-$name.log")"
    awaited[$name]=$((tried + $1))
  done
  for name in "${!awaited[@]}"; do
    wait_for 10 "$1 calls of $name" called_since "$name" "${awaited[$name]}"
  done
}

# Each caller is still at it, and its system has taken so many of its echoes.
assert_callers_sent() { # COUNT
  local one name process tried sent
  [ ${#callers[@]} -gt 0 ] || fail "nobody has called"
  for one in "${callers[@]}"; do
    read -r name process <<<"$one"
    ! process_gone "$process" || fail "the caller $name is gone: $(<"$LAB_DIR/call-$name.log")"
    stop_process "$process"
    count_calls "$name" || fail "the caller $name: $(<"$LAB_DIR/call-$name.log")"
    echo "the caller $name tried $tried and sent $sent"
    [ "$sent" -ge "$1" ] || fail "the caller $name sent $sent echoes of at least $1"
  done
}

# Ends the watch: nothing with an address of a pool passed in clear, and much in ESP.
assert_router_saw_no_pool_address() {
  local carried
  router_watch_ends
  router_saw carried 'ip proto 50 or ip6 proto 50 or udp port 4500'
  [ "$carried" -gt 1000 ] || fail "the router saw no traffic"
  tcpdump -n -e -r "$LAB_DIR/router.pcap" '(net 192.168.10.0/24 or net 2001:db8:a::/64) and not (src host 192.168.10.255 or src host 2001:db8:a::ffff)' 2>/dev/null >"$LAB_DIR/clear"
  head -n 20 "$LAB_DIR/clear"
  assert_equal 0 "$(wc -l <"$LAB_DIR/clear")" "packets with a pool address in clear"
}

# Sets VARIABLE to how many packets that match passed the router.
router_saw() { # VARIABLE FILTER…
  local lab_said
  lab_said=$(exec tcpdump -n -r "$LAB_DIR/router.pcap" --count "${@:2}" 2>/dev/null)
  printf -v "$1" '%s' "${lab_said%% *}"
}

# The kernel's own counters agree that it carried the session.
assert_kernel_carried() { # NAMESPACE PEER
  local out in
  out=$(esp_packets "$1" "$2")
  in=$(ip -n "$1" -s xfrm state list src "$2" | awk '/lifetime current:/ { getline; sub(/\(bytes\),/, ""); n += $2 } END { print n + 0 }')
  ((out > 50 && in > 50)) || fail "the kernel's SAs with $2 carried $out packets out and $in in"
}

# Everything that ironflex may touch, as it is now. Without what counts or ages.
network_state() { # NAMESPACE
  # A veth says that it is up some time after it is: that is not ours to compare.
  # In this order: after `link` a batch shows no addresses.
  ip -n "$1" -batch - <<<$'address show\nlink show\nroute show table all\nrule show\nxfrm state\nxfrm policy' |
    sed 's/ state [A-Z]* / /'
  # user-mode-linux has none.
  [ "${LAB_KERNEL:-own}" = uml ] || in_ns "$1" nft -s list ruleset
}

# Notes how NAMESPACE is, for the next function.
remember_network() { # NAMESPACE NAME
  # A link has its own address only after a while; what is remembered of the network before would not come back.
  wait_for 5 "the links" "$LAB_TOOL" links outside "$headend" "$client" "$router" "$server"
  network_state "$1" >"$LAB_DIR/$2.before"
}

# Whether NAMESPACE is as it was when it was remembered.
network_is_back() { # NAMESPACE NAME
  network_state "$1" >"$LAB_DIR/$2.after"
  cmp -s "$LAB_DIR/$2.before" "$LAB_DIR/$2.after"
}

# Ends the case unless NAMESPACE comes back to how it was remembered.
assert_network_back() { # NAMESPACE NAME WHEN
  local deadline=$((SECONDS + 5 * lab_stretch))
  until network_is_back "$1" "$2"; do
    [ "$SECONDS" -lt "$deadline" ] || {
      diff "$LAB_DIR/$2.before" "$LAB_DIR/$2.after" || true
      fail "the $2's network is not as it was, $3"
    }
    pause 0.1
  done
}

# The headend's network without the numbers that every start gives out anew.
settled_state() { # FILE
  network_state "$headend" |
    sed -e '/link\/ether/d' -e '/fe80/d' -e 's/^[0-9]*: //' -e 's/ proto kernel metric 256 pref medium$//' >"$1"
}

# Puts a foreign SA, policy, route, device and table beside ours.
foreign_network() { # NAMESPACE
  ip -n "$1" -batch - <<'COMMANDS'
link add foreign type dummy
link set foreign up
route add 192.168.10.128/25 dev foreign
route add 172.31.0.0/16 dev foreign proto static
xfrm state add src 192.0.2.1 dst 203.0.113.9 proto esp spi 0x1001 reqid 7 mode tunnel aead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 128
xfrm state add src 203.0.113.9 dst 192.0.2.1 proto esp spi 0x1002 reqid 7 mode tunnel aead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 128
xfrm policy add src 172.30.0.0/16 dst 172.31.0.0/16 dir out tmpl src 192.0.2.1 dst 203.0.113.9 proto esp reqid 7 mode tunnel
xfrm policy add src 172.31.0.0/16 dst 172.30.0.0/16 dir in tmpl src 203.0.113.9 dst 192.0.2.1 proto esp reqid 7 mode tunnel
COMMANDS
  in_ns "$1" nft 'table inet foreign { chain all { type filter hook forward priority 0; counter; }; }' 2>/dev/null || true
}

# Where the client is, as the headend's kernel sees it.
outer_client() { # routed|nat
  case $1 in routed) echo 198.51.100.2 ;; nat) echo 192.0.2.2 ;; esac
}
