# shellcheck shell=bash
# Sourced after lib.sh and ironflex.sh by the suites interop-*: runs the cases of interop.toml that name a peer. The peer's own
# file (strongswan.sh, libreswan.sh) has the functions peer_* that the driver calls.
# shellcheck disable=SC2034,SC2154 # variables are set by name, and used by the suites

declare -A interop

# The side that is ours.
interop_our_end=headend
# Whether a peer that answers a rekey sends on the new SA before it can know that we have it.
interop_hasty=no

interop_suite() { # PEER
  local fields field session
  interop_prepare
  peer_prepare
  interop_read "$lab_root/tests/lab/interop.toml" >"$LAB_DIR/cases" || {
    printf 'lab: %s: failed: interop.toml is not what interop.sh reads\n' "$lab_suite"
    exit 1
  }
  while IFS=$'\t' read -r -a fields; do
    interop=([peer]=$1 [network]=routed [inside]=ipv4 [cookie]=never [certificates]=short [auth]=rsa)
    for field in "${fields[@]}"; do interop[${field%%=*}]=${field#*=}; done
    : "${interop[peer_groups]:=${interop[group]}}"
    case " ${interop[peers]} " in *" $1 "*) ;; *) continue ;; esac
    [ "${interop[role]:-client}" = "${interop_role:-client}" ] || continue
    session=interop_session
    [ -z "${interop[cut]:-}" ] || session=interop_cut
    [ -z "${interop[worn]:-}" ] || session=interop_worn
    [ -z "${interop[outlived]:-}" ] || session=interop_outlived
    # These mostly wait.
    if [ -n "${interop[cut]:-}" ] || [ "${interop[outlived]:-}" = seconds ]; then
      beside interop_beside
    elif [ -n "${interop[fails]:-}" ]; then
      lab_case_fails "${interop[fails]}" "${interop[fails_with]}" "${interop[name]}" "$session"
    else
      lab_case "${interop[name]}" "$session"
    fi
  done <"$LAB_DIR/cases"
  beside_ends
}

# A case that mostly waits, beside the others: with a scratch space of its own, in which the peer's files stand anew, for some of
# them name their folder.
interop_beside() {
  local whole=$LAB_DIR
  LAB_DIR=$whole/${interop[name]}
  mkdir -p "$LAB_DIR"
  cp -a "$whole/pki" "$whole/headend" "$whole/password" "$whole/key" "$LAB_DIR/" 2>/dev/null || true
  peer_log=${peer_log/#"$whole"/"$LAB_DIR"}
  peer_prepare
  lab_case "${interop[name]}" "$session"
}

# The cases of a table, one a line: name=value, with tabs between. Of TOML it knows strings, whole numbers and lists of them.
interop_read() { # FILE
  awk '
    /^#/ || /^$/ { next }
    /^\[\[case\]\]$/ { if (line != "") print line; line = ""; next }
    /^[a-z_]+ = ("[^"]*"|[0-9]+|\[[^][]*\])$/ {
      key = $1; value = $0
      sub(/^[a-z_]+ = /, "", value)
      if (value ~ /^\[/) gsub(/[][",]/, "", value); else gsub(/"/, "", value)
      line = line (line == "" ? "" : "\t") key "=" value
      next
    }
    { print FILENAME ":" FNR ": " $0 >"/dev/stderr"; exit bad = 1 }
    END { if (!bad) print line }' "$1"
}

# --- Certificates ---

# The key that both ends have in the cases with auth = "psk".
interop_key='a key of both ends'

# Beside headend_prepare, for each side a chain of some 9 KB and certificates with elliptic-curve keys.
interop_certificates() {
  local curve headend_names=DNS:vpn.example.com,IP:$headend_address
  headend_prepare
  [ -z "${LAB_CERTIFICATES:-}" ] || return 0
  certificate "$LAB_DIR/pki" ca client.example.com DNS:client.example.com clientAuth
  long_chain headend "$LAB_DIR/pki/headend-long" "$headend_names" serverAuth
  long_chain client "$LAB_DIR/pki/client-long" DNS:client.example.com clientAuth
  cp "$LAB_DIR/headend/IKEv2-TP.p12" "$LAB_DIR/pki/headend-short.p12"
  openssl pkcs12 -export -inkey "$LAB_DIR/pki/headend-long/own.key" -in "$LAB_DIR/pki/headend-long/own.crt" \
    -certfile "$LAB_DIR/pki/headend-long/authorities.crt" -out "$LAB_DIR/pki/headend-long.p12" -passout pass:cisco123
  for curve in 256 384; do
    certificate "$LAB_DIR/pki" ca "headend-ecdsa-$curve" "$headend_names" serverAuth -newkey ec -pkeyopt "ec_paramgen_curve:P-$curve"
    certificate "$LAB_DIR/pki" ca "client-ecdsa-$curve" DNS:client.example.com clientAuth -newkey ec -pkeyopt "ec_paramgen_curve:P-$curve"
    openssl pkcs12 -export -inkey "$LAB_DIR/pki/headend-ecdsa-$curve.key" -in "$LAB_DIR/pki/headend-ecdsa-$curve.crt" \
      -certfile "$LAB_DIR/pki/ca.crt" -out "$LAB_DIR/pki/headend-ecdsa-$curve.p12" -passout pass:cisco123
  done
  openssl pkcs12 -export -inkey "$LAB_DIR/pki/client.example.com.key" -in "$LAB_DIR/pki/client.example.com.crt" \
    -certfile "$LAB_DIR/pki/ca.crt" -out "$LAB_DIR/pki/client.p12" -passout pass:cisco123
}

interop_prepare() {
  interop_certificates
}

# A certificate FOLDER/own.crt below three authorities, one.crt to three.crt, below the authority of every case. Nothing makes a
# certificate long as harmlessly as a comment.
long_chain() { # SUBJECT FOLDER SUBJECT-ALTERNATIVE-NAME EXTENDED-KEY-USAGE
  local comment above=ca authority
  mkdir -p "$2"
  cp "$LAB_DIR/pki/ca.crt" "$LAB_DIR/pki/ca.key" "$2/"
  comment=$(head -c 1900 /dev/zero | tr '\0' x)
  for authority in one two three; do
    openssl_request "$2" "$authority" -days 20 -CA "$2/$above.crt" -CAkey "$2/$above.key" \
      -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' -addext "nsComment=$comment"
    above=$authority
  done
  certificate "$2" three own "$3" "$4"
  cat "$2"/{three,two,one,ca}.crt >"$2/authorities.crt"
}

# --- A case ---

interop_session() {
  local what
  interop_network
  [ "${interop[inside]}" != ipv6 ] || client_address=$client_address_v6 server_address=$server_address_v6
  interop_headend
  watch_router
  peer_start
  peer_login
  interop_traffic "$client_address" "$server_address"
  [ "${interop[inside]}" != dual ] || interop_traffic "$client_address_v6" "$server_address_v6"
  assert_peer_said
  assert_both_proved
  # The keys of the first child SA come of the IKE SA's exchange.
  assert_exchanged none
  for what in ${interop[rekey]:-}; do rekeys "$what" peer_rekey "$what"; done
  for what in ${interop[our_rekey]:-}; do rekeys "$what" headend_rekey "$what"; done
  [ -z "${interop[moves]:-}" ] || client_moves
  peer_leave
  wait_for 5 "the headend to drop its SAs" no_sas "$headend"
  # The SAs go first, and then the log tells.
  wait_for 5 "the headend to say that the peer left" says "$LAB_DIR/headend/log" 'is DOWN\..*reason: deleted by the peer'
  assert_equal 0 "$(sa_count "$client")" "SAs left in the peer's kernel"
  case ${interop[network]} in nat-*) assert_router_saw_esp udp ;; *) assert_router_saw_esp bare ;; esac
  [ "${interop[certificates]}" = short ] || assert_router_saw_fragments
  [ -z "${interop[moves]:-}" ] || assert_followed_at_once
}

# Pings and TCP both ways, of one family.
interop_traffic() { # CLIENT-ADDRESS SERVER-ADDRESS
  local sizes
  [ -n "$(ip -n "$client" -o address show to "$1")" ] || fail "the peer did not get $1"
  # 1,400 octets do not fit the tunnel in one piece. With IPv6 no router makes pieces: TCP below has to learn what fits.
  case $1 in *:*) sizes=(0 1300 1352) ;; *) sizes=(0 1300 1400) ;; esac
  ping_sizes "$client" "$2" "${sizes[@]}"
  ping_sizes "$server" "$1" "${sizes[@]}"
  tcp_copy "$client" "$server" "$2" 5001 1
  tcp_copy "$server" "$client" "$1" 5002 1
}

# The link between the two is cut: each end finds out by itself, and clears away what it has.
interop_cut() {
  interop_network
  interop_headend
  peer_start
  peer_login
  ping_sizes "$client" "$server_address" 56
  ip -n "$router" link set inside down
  wait_for 60 "the headend to find the peer dead" says "$LAB_DIR/headend/log" 'is DOWN\..*reason: the peer does not answer'
  assert_equal 0 "$(sa_count "$headend")" "SAs left in the headend's kernel"
  wait_for 60 "the peer to find the headend dead" says "$peer_log" "$(peer_words dead)"
  wait_for 5 "the peer to drop its SAs" no_sas "$client"
}

# The client has another address, and its old one no longer, while the server pings it, and says so by MOBIKE.
client_moves() {
  local answers pings
  # Or the second address of a network would go with the first.
  "$LAB_TOOL" set "$client" net/ipv4/conf/all/promote_secondaries=1
  ip -n "$client" address add 198.51.100.3/24 dev outside
  spawn pings "$LAB_DIR/pings" in_ns "$server" ping -n -i 0.01 "$client_address"
  wait_for 5 "pings" more_lines "$LAB_DIR/pings" 20
  moved_at=$EPOCHREALTIME
  ip -n "$client" address delete 198.51.100.2/24 dev outside
  wait_for 10 "the headend to follow" sas_towards "$headend" 198.51.100.3
  mapfile -t answers <"$LAB_DIR/pings"
  wait_for 5 "further pings" more_lines "$LAB_DIR/pings" $((${#answers[@]} + 20))
  kill -INT "$pings"
  wait_for 5 "the end of the pings" process_gone "$pings"
  lost=$(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received,.*/\1 - \2/p' "$LAB_DIR/pings")
  lost=$((${lost:?ping says how many were answered}))
  stateless=$(in_ns "${!interop_our_end}" sed -n 's/^XfrmOutNoStates[^0-9]*//p' /proc/net/xfrm_stat)
}

# How the headend followed a client that moved, out of the router's capture. What it sent to the old address before it heard of the new
# one is lost, whoever the headend is; beside that one packet may be, that had to leave just while the kernel's SA had been taken
# away and was not back at its new address (docs/decisions.md has why there is such a moment).
assert_followed_at_once() {
  local told followed late
  told=$(router_time src host 198.51.100.3 and udp port 4500)
  followed=$(router_time dst host 198.51.100.3 and ip proto 50)
  late=$(tcpdump -tt -n -r "$LAB_DIR/router.pcap" dst host 198.51.100.2 and ip proto 50 2>/dev/null |
    awk -v moved="$moved_at" '$1 >= moved && / In /' | wc -l)
  told=$(milliseconds "$moved_at" "$told") followed=$(milliseconds "$moved_at" "$followed")
  tell "${interop[name]}: the peer told its new address after $told ms, and was sent to there after $followed ms; pings lost: $lost, sent to the old address: $late, without an SA for a moment: $stateless"
  [ "$followed" -lt $((1000 * lab_stretch)) ] || fail "the headend sent to the new address only after $followed ms"
  [ "$((followed - told))" -lt $((300 * lab_stretch)) ] || fail "$((followed - told)) ms from the peer's word to the first packet"
  [ "$stateless" -le 1 ] || fail "$stateless packets had no SA while it moved"
  [ "$lost" -le $((late + stateless)) ] || fail "$lost pings lost, and only $late were sent to the old address"
}

# When the first packet of FILTER passed the router.
router_time() { # FILTER…
  tcpdump -tt -n -c 1 -r "$LAB_DIR/router.pcap" "$@" 2>/dev/null | {
    read -r first _ || fail "no such packet passed the router: $*"
    printf '%s\n' "$first"
  }
}

milliseconds() { # FROM TO
  awk -v from="$1" -v to="$2" 'BEGIN { printf "%d\n", (to - from) * 1000 }'
}

sas_towards() { # NAMESPACE ADDRESS
  [ -n "$(ip -n "$1" xfrm state list dst "$2")" ]
}

# One side rekeys the IKE SA or the child SA, by COMMAND if need be, while the server pings the client: the SAs are others, and no
# ping is lost, but for those that a peer's haste costs.
rekeys() { # ike|child COMMAND [ARG …]
  local before known answers pings unknown lost
  before=$(rekeyed_things "$1")
  [ -n "$before" ] || fail "nothing that a rekey of the $1 SA could change is shown"
  known=$(rekeyed_things child)
  unknown=$(unknown_sas)
  spawn pings "$LAB_DIR/pings" in_ns "$server" ping -n -i 0.01 "$client_address"
  "${@:2}"
  wait_for 10 "the new $1 SA, and the old one's end" rekeyed "$1" "$before"
  # The SAs that are gone take no more packets with them.
  mapfile -t answers <"$LAB_DIR/pings"
  wait_for 5 "further pings" more_lines "$LAB_DIR/pings" $((${#answers[@]} + 20))
  kill -INT "$pings"
  wait_for 5 "the end of the pings" process_gone "$pings"
  lost=$(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received,.*/\1 - \2/p' "$LAB_DIR/pings")
  lost=$((${lost:?ping says how many were answered}))
  if [ "$interop_hasty" = yes ] && [ "$lost" -gt 0 ]; then
    unknown=$(($(unknown_sas) - unknown))
    forgive_haste "$known"
  fi
  assert_equal 0 "$lost" "pings lost in a rekey of the $1 SA: $(tail -n 2 "$LAB_DIR/pings")"
  [ "$1" != child ] || assert_exchanged "${interop[exchanged]:-}"
}

# RFC 7296 §2.8: whoever answers a rekey sends on the old SA until the other end shows that it has the new one. A peer that does not
# sends into the dark: without its answer there are no keys. What an SA of ours has missed of its sequence numbers is taken off `lost`
# where the SA is none of those that were KNOWN before, and as far as so many packets had gone out on it before our end showed that it
# has it, and so many (`unknown`) were dropped here for being of no SA. What goes astray under an old SPI stays lost.
forgive_haste() { # KNOWN
  local spi missed early
  while read -r spi missed; do
    [[ " $1" != *" $spi "* ]] || continue
    early=$(sent_too_early "$spi")
    tell "${interop[name]}: $lost lost; of the new SA $spi $missed, and $early sent before our end showed that it has it; of no SA $unknown"
    [ "$missed" -le "$early" ] || missed=$early
    [ "$missed" -le "$unknown" ] || missed=$unknown
    lost=$((lost - missed)) unknown=$((unknown - missed))
  done < <(missed_packets)
}

# The sequence numbers that our end's SAs have got beyond, and not got: SPI NUMBER.
missed_packets() {
  local line spi='' reached=0
  while read -r line; do
    if [[ $line =~ ^proto\ esp\ spi\ (0x[0-9a-f]+) ]]; then
      spi=${BASH_REMATCH[1]} reached=0
    elif [[ $line =~ (^|\ )seq\ (0x[0-9a-f]+),\ oseq ]]; then
      reached=$((BASH_REMATCH[2]))
    elif [[ $line =~ ^[0-9]+\(bytes\),\ ([0-9]+)\(packets\) && $reached -gt ${BASH_REMATCH[1]} ]]; then
      printf '%s %s\n' "$spi" $((reached - BASH_REMATCH[1]))
    fi
  done < <(ip -n "${!interop_our_end}" -s xfrm state)
}

# How many packets under SPI passed the router between our request for the SA (CREATE_CHILD_SA) and our Delete of what it replaces
# (INFORMATIONAL). The router shows each packet twice.
sent_too_early() { # SPI
  local esp="(ip proto 50 and ip[20:4] = $1) or (ip6 proto 50 and ip6[40:4] = $1) or (udp port 4500 and udp[8:4] = $1)"
  tcpdump -n -r "$LAB_DIR/router.pcap" "$esp or udp port 500 or (udp port 4500 and udp[8:4] = 0) or (ip6 and udp port 4500)" 2>/dev/null | awk '
    {
      for (i = 1; i < NF && $i != ">"; i++);
      from[NR] = $(i - 1); to = $(i + 1)
      sub(/:$/, "", to)
    }
    /ESP\(/ {
      if (/UDP-encap/) sub(/\.[0-9]+$/, "", to)
      ours = to; number[NR] = $0
      sub(/.*seq=/, "", number[NR]); sub(/\).*/, "", number[NR])
    }
    / child_sa(\[I\])?$/ { request[NR] = 1 }
    / inf2(\[I\])?$/ { word[NR] = 1 }
    END {
      for (n = 1; n <= NR; n++) {
        sub(/\.[0-9]+$/, "", from[n])
        if (n in number) { if (asked && !(number[n] in seen)) early++; seen[number[n]] = 1; begun = 1 }
        else if (from[n] == ours && (n in request) && !begun) asked = 1
        else if (from[n] == ours && (n in word)) asked = 0
      }
      print early + 0
    }'
}

# Both ends say of the child SA that its keys come of such an exchange of its own.
assert_exchanged() { # GROUP|none
  [ -n "${interop[exchanged]:-}" ] || return 0
  wait_for 5 "our end to say that the child SA has had the exchange $1" our_end_exchanged "$1"
  wait_for 5 "the peer to say that the child SA has had the exchange $1" peer_exchanged "$1"
}

our_end_exchanged() { # GROUP|none
  local words="Y, DH group: group$1" shown
  [ "$1" != none ] || words='N, DH group: none'
  shown=$("$IRONFLEX" exec --state-dir "$LAB_DIR/headend/state" show crypto ipsec sa)
  [[ $shown == *"PFS (Y/N): $words"* ]]
}

# Packets that our end has dropped because it has no such SA.
unknown_sas() {
  in_ns "${!interop_our_end}" sed -n 's/^XfrmInNoStates[^0-9]*//p' /proc/net/xfrm_stat
}

headend_rekey() { # ike|child
  local word
  case $1 in ike) word=ikev2 ;; child) word=ipsec ;; esac
  "$IRONFLEX" exec --state-dir "$LAB_DIR/headend/state" test crypto rekey $word
}

# What a rekey has to change, a word each: SPIs in the kernel, or those of the IKE SA in the headend.
rekeyed_things() { # ike|child
  local text line
  case $1 in
    child) text=$(ip -n "$headend" xfrm state) ;;
    ike) text=$(ike_sas) ;;
  esac
  while read -r line; do
    if [[ $line =~ ^proto\ esp\ spi\ ([0-9a-fx]+) || $line =~ ^Local\ spi:\ ([0-9A-F]+) || $line =~ ESTABLISHED,\ IKEv2,\ ([0-9a-f]+)_i ||
      $line =~ ^000\ (#[0-9]+):.*ESTABLISHED_IKE_SA ]]; then
      printf '%s ' "${BASH_REMATCH[1]}"
    fi
  done <<<"$text"
}

ike_sas() {
  "$IRONFLEX" exec --state-dir "$LAB_DIR/headend/state" show crypto ikev2 sa detailed
}

# As many as before, and none of them as before.
rekeyed() { # ike|child BEFORE
  local now word
  now=$(rekeyed_things "$1")
  # shellcheck disable=SC2086 # words
  [ "$(set -- $now; echo $#)" = "$(set -- $2; echo $#)" ] || return
  for word in $2; do [[ " $now" != *" $word "* ]] || return; done
}

more_lines() { # FILE NUMBER
  local lines
  mapfile -t lines <"$1"
  [ ${#lines[@]} -ge "$2" ]
}

# RFC 7383 §2.5: Encrypted Fragment payloads (53), at least as many as a chain of 9 KB needs, both ways; and no message of IKE
# in pieces of IP's. The router shows each packet twice, coming and going.
assert_router_saw_fragments() {
  local fragment='((udp port 500 and udp[24] = 53) or (udp port 4500 and udp[8:4] = 0 and udp[28] = 53))' side seen
  local ike='(udp port 500 or (udp port 4500 and udp[8:4] = 0))'
  for side in src dst; do
    router_saw seen "$fragment and $side host $headend_address"
    [ "$seen" -ge 14 ] || fail "the router saw no 7 fragments with the headend as $side"
  done
  router_saw seen "$ike and ip[6:2] & 0x2000 != 0"
  assert_equal 0 "$seen" "IKE messages in IP fragments"
}

# Lays the network out and sets peer_outer and headend_outer, the addresses under which the two know themselves and call.
interop_network() {
  peer_outer=198.51.100.2
  headend_outer=$headend_address
  case ${interop[network]} in
    routed) network routed ;;
    nat-client) network nat ;;
    nat-headend)
      network routed
      headend_outer=198.51.100.1
      in_ns "$router" iptables-legacy -t nat -A PREROUTING -i inside -p udp -m multiport --dports 500,4500 \
        -j DNAT --to-destination "$headend_address"
      ;;
    ipv6)
      network routed
      peer_outer=2001:db8:2::2
      headend_outer=$headend_address_v6
      ;;
    *) fail "interop.toml: no network '${interop[network]}'" ;;
  esac
  case "${interop[network]} ${interop[inside]}" in ipv6* | *ipv6 | *dual) network_ipv6 ;; esac
  peer_vips="" peer_networks=""
  case ${interop[inside]} in
    ipv4) ;;
    ipv6) peer_vips=:: peer_networks=2001:db8:3::/64 ;;
    dual) peer_vips=0.0.0.0,:: peer_networks=10.0.0.0/8,2001:db8:3::/64 ;;
    *) fail "interop.toml: no inside '${interop[inside]}'" ;;
  esac
}

interop_headend() {
  local transform ike
  case ${interop[esp]} in
    aes-cbc-256-sha256) transform='esp-aes 256 esp-sha256-hmac' ;;
    aes-gcm-256) transform='esp-gcm 256' ;;
    *) fail "interop.toml: no esp '${interop[esp]}'" ;;
  esac
  ike=("encryption ${interop[encryption]}" "prf ${interop[hash]}" "group ${interop[group]}")
  [ -z "${interop[pqc]:-}" ] || ike+=("pqc ${interop[pqc]}")
  case ${interop[encryption]} in aes-cbc-*) ike+=("integrity ${interop[hash]}") ;; esac
  {
    # Some ask for an address of either family, and take the first that they are given.
    case ${interop[auth]} in psk) key_profile ;; *) certificate_profile ;; esac |
      case ${interop[inside]} in ipv6) sed -e '/^ pool /d' -e '/^ route set /d' ;; *) put ;; esac
    [ "${interop[inside]}" = ipv4 ] || dual_stack 101 CERTIFICATES
    [ "${interop[cookie]}" = never ] || printf '!\ncrypto ikev2 cookie-challenge 0\n'
    [ "${interop[certificates]}" = short ] || printf '!\ncrypto ikev2 fragmentation\n'
    [ -z "${interop[pfs]:-}" ] || printf '!\ncrypto ipsec profile CERTIFICATES\n set pfs group%s\n' "${interop[pfs]}"
    case ${interop[worn]:-}${interop[outlived]:-} in
      '') ;;
      seconds) printf '!\ncrypto ipsec security-association lifetime seconds 120\n' ;;
      *) printf '!\ncrypto ipsec security-association lifetime kilobytes 2560\n' ;;
    esac
    [ -z "${interop[cut]:-}" ] || printf '!\ncrypto ikev2 dpd 10 2 periodic\n'
  } | headend_configure "$transform" "${ike[@]}"
  cp "$LAB_DIR/pki/headend-${interop[certificates]}.p12" "$LAB_DIR/headend/IKEv2-TP.p12"
  case ${interop[auth]} in
    rsa) ;;
    ecdsa-*)
      cp "$LAB_DIR/pki/headend-${interop[auth]}.p12" "$LAB_DIR/headend/IKEv2-TP.p12"
      # The example's own profile has the same trustpoint.
      sed -i 's/^ authentication \(local\|remote\) rsa-sig/ authentication \1 ecdsa-sig/' "$LAB_DIR/headend/headend.conf"
      ;;
    psk) ;;
    *) fail "interop.toml: no auth '${interop[auth]}'" ;;
  esac
  headend_start kernel
}

# As certificate_profile, for a client with a key.
key_profile() {
  printf '!\ncrypto ikev2 keyring CLIENTS\n peer client\n  identity fqdn client.example.com\n  pre-shared-key %s\n' "$interop_key"
  certificate_profile | sed -e '/^crypto pki/d' -e 's/^ authentication \(local\|remote\) rsa-sig/ authentication \1 pre-share/' \
    -e 's/^ pki trustpoint IKEv2-TP.*/ identity local fqdn vpn.example.com/' -e 's/^ pki trustpoint CLIENTS.*/ keyring local CLIENTS/' \
    -e 's/^ aaa authorization group cert/ aaa authorization group psk/'
}

# Both ends proved themselves by the method of the case, as the headend says.
assert_both_proved() {
  local method shown
  case ${interop[auth]} in rsa) method=RSA ;; ecdsa-*) method=ECDSA ;; psk) method=PSK ;; esac
  shown=$("$IRONFLEX" exec --state-dir "$LAB_DIR/headend/state" show crypto ikev2 sa detailed)
  [[ $shown == *"Auth sign: $method, Auth verify: $method"* ]] || fail "the ends did not both prove themselves by $method: $shown"
}

# What made the case one of its own really happened: the peer's log has it.
assert_peer_said() {
  local what pattern
  for what in cookie invalid-ke; do
    pattern=$(peer_words "$what")
    if says "$peer_log" "$pattern"; then
      is_expected "$what" || fail "unexpected in the peer's log: $(grep -m 1 -E "$pattern" "$peer_log")"
    else
      ! is_expected "$what" || fail "the peer's log has no '$pattern'"
    fi
  done
}

is_expected() { # cookie|invalid-ke
  case $1 in
    cookie) [ "${interop[cookie]}" = always ] ;;
    invalid-ke) [ "${interop[peer_groups]}" != "${interop[group]}" ] ;;
  esac
}
