# shellcheck shell=bash
# Sourced after interop.sh by the suites interop-headend-*: runs the cases of interop.toml in which the peer is the headend of our
# client. The suite has the functions peer_*.
# shellcheck disable=SC2034,SC2154 # variables are set by name, and used by the suites

interop_role=headend
interop_our_end=client

# What the peer assigns of IPv6.
peer_pool_v6=$client_address_v6-2001:db8:a::6

# What proves the two to each other.
interop_prepare() {
  interop_certificates
  printf 'a key of both ends\n' >"$LAB_DIR/key"
}

interop_session() {
  local what
  interop_network
  peer_pool=192.168.10.5-192.168.10.10
  [ "${interop[inside]}" != ipv6 ] || client_address=$client_address_v6 server_address=$server_address_v6 peer_pool=$peer_pool_v6
  watch_router
  peer_start
  [ "${interop[cookie]}" = never ] || half_open
  our_client
  # Soon our client rekeys.
  assert_exchanged none
  interop_traffic "$client_address" "$server_address"
  [ "${interop[inside]}" != dual ] || interop_traffic "$client_address_v6" "$server_address_v6"
  for what in ${interop[rekey]:-}; do rekeys "$what" peer_rekey "$what"; done
  # Our client rekeys by its lifetime, so nothing has to be done for it.
  for what in ${interop[our_rekey]:-}; do rekeys "$what" true; done
  [ -z "${interop[moves]:-}" ] || client_moves
  client_leave
  wait_for 5 "the peer to drop its SAs" no_sas "$headend"
  assert_equal 0 "$(sa_count "$client")" "SAs left in our client's kernel"
  case ${interop[network]} in nat-*) assert_router_saw_esp udp ;; *) assert_router_saw_esp bare ;; esac
  assert_router_saw_notify 16390 "COOKIE" "$([ "${interop[cookie]}" = never ] || echo expected)"
  [ "${interop[certificates]}" = short ] || assert_router_saw_fragments
  assert_router_saw_notify 17 "INVALID_KE_PAYLOAD" "$([ "${interop[peer_groups]}" = "${interop[group]}" ] || echo expected)"
  [ -z "${interop[moves]:-}" ] || assert_followed_at_once
}

interop_cut() {
  local status=0
  interop_network
  peer_pool=192.168.10.5-192.168.10.10
  peer_start
  our_client
  ping_sizes "$client" "$server_address" 56
  ip -n "$router" link set inside down
  wait_for 60 "the peer to find our client dead" says "$peer_log" "$(peer_words dead)"
  wait_for 5 "the peer to drop its SAs" no_sas "$headend"
  wait_for 60 "our client to find the peer dead" process_gone "$client_process"
  wait "$client_process" || status=$?
  # The connection was up, and the headend fell silent.
  assert_equal 6 "$status" "exit status of the client"
  assert_equal 0 "$(sa_count "$client")" "SAs left in our client's kernel"
}

outlived_begins() {
  outlived_seconds=20 outlived_from=198.51.100.2
  interop_network
  peer_pool=192.168.10.5-192.168.10.10
  remember_network "$client" client
  watch_router
  peer_start
  watch_wear
  our_client
  ping_sizes "$client" "$server_address" 56
}

outlived_ends() {
  local status=0
  wait_for 10 "the client's end" process_gone "$client_process"
  wait "$client_process" || status=$?
  # The connection was up.
  assert_equal 6 "$status" "exit status of the client"
  says "$LAB_DIR/client.log" "the tunnel's SA has reached the end of its lifetime" || fail "the client says: $(tail -n 1 "$LAB_DIR/client.log")"
  assert_network_back "$client" client "after the end of the SA"
}

# What the peer does without an SA is its own affair: it lets pings to the client out in clear.
outlived_watch_ends() {
  router_watch_ends
}

# Our client, with the peer's key, or the authority of its certificate, and nothing else to know it by.
our_client() {
  local group options=() proof
  for group in ${interop[peer_groups]}; do options+=(--proposal "${interop[encryption]}/${interop[hash]}/$group"); done
  [ -z "${interop[our_rekey]:-}" ] || options+=(--lifetime 6)
  [ -z "${interop[outlived]:-}" ] || options+=(--lifetime 20)
  [ -z "${interop[cut]:-}" ] || options+=(--dpd 2)
  our_proof
  spawn client_process "$LAB_DIR/client.log" in_ns "$client" "$IRONFLEX" connect "$headend_outer" "${proof[@]}" --identity fqdn:client.example.com --remote-id fqdn:vpn.example.com --no-dns --once \
    --dataplane kernel "${options[@]}"
  evidence "$LAB_DIR/client.log"
  wait_for 20 "the login" said_or_ended "$LAB_DIR/client.log" '^connected: ' "$client_process"
  # libreswan has no split list: there the selectors alone say what goes into the tunnel.
  says "$LAB_DIR/client.log" "^connected: address $(our_addresses), routes $(our_routes), .* in kernel" || fail "no tunnel: $(tail -n 1 "$LAB_DIR/client.log")"
}

# What our client says that it was given.
our_addresses() {
  case ${interop[inside]} in
    dual) printf '%s and %s\n' "$client_address" "$client_address_v6" ;;
    *) printf '%s\n' "$client_address" ;;
  esac
}

our_routes() {
  local networks=${peer_networks:-10.0.0.0/8}
  printf '%s\n' "${networks//,/ }"
}

# What our client proves itself with: a key, a PKCS #12 file, or PEM files.
our_proof() {
  local pki=$LAB_DIR/pki
  case "${interop[auth]} ${interop[certificates]}" in
    psk*) proof=(--auth pre-share --psk-file "$LAB_DIR/key") ;;
    'rsa short') proof=(--auth rsa-sig --pkcs12 "$pki/client.p12" --pkcs12-password-file "$LAB_DIR/password") ;;
    'rsa long')
      cat "$pki"/client-long/{own,three,two,one}.crt >"$LAB_DIR/chain.pem"
      proof=(--auth rsa-sig --cert "$LAB_DIR/chain.pem" --key "$pki/client-long/own.key" --ca "$pki/ca.crt")
      ;;
    ecdsa-*)
      proof=(--auth ecdsa-sig --cert "$pki/client-${interop[auth]}.crt" --key "$pki/client-${interop[auth]}.key" --ca "$pki/ca.crt")
      ;;
    *) fail "interop.toml: no auth '${interop[auth]}'" ;;
  esac
}

# strongSwan asks for cookies while somebody has begun and not gone on: that is a first message of IKE_SA_INIT, from a client whose
# further ones are lost.
half_open() {
  local lost
  in_ns "$router" iptables-legacy -A FORWARD -p udp --dport 4500 -j DROP
  spawn lost "$LAB_DIR/lost.log" in_ns "$client" "$IRONFLEX" connect "$headend_outer" --auth pre-share \
    --psk-file "$LAB_DIR/key" --identity fqdn:lost.example.com --no-dns --once --dataplane kernel \
    --proposal "${interop[encryption]}/${interop[hash]}/${interop[group]}"
  wait_for 10 "a half-open SA" peer_has_half_open
  kill -KILL "$lost"
  wait "$lost" || true
  in_ns "$router" iptables-legacy -F FORWARD
}

# RFC 7296 §2.6, §1.2: an IKE_SA_INIT response that has a Notify payload of this type and nothing before it.
assert_router_saw_notify() { # TYPE NAME [expected]
  local seen
  router_saw seen "udp src port 500 and ((udp[24] = 41 and udp[42:2] = $1) or (ip6[64] = 41 and ip6[82:2] = $1))"
  case ${3:-} in
    expected) [ "$seen" -gt 0 ] || fail "the router saw no $2" ;;
    *) assert_equal 0 "$seen" "packets with $2" ;;
  esac
}

# Our client's lifetime may have had it rekey once more, before what was rekeyed is gone: at least as many as before then.
rekeyed() { # ike|child BEFORE
  local now word
  now=$(rekeyed_things "$1")
  # shellcheck disable=SC2086 # words
  case ${interop[our_rekey]:-} in
    '') [ "$(set -- $now; echo $#)" = "$(set -- $2; echo $#)" ] || return ;;
    *) [ "$(set -- $now; echo $#)" -ge "$(set -- $2; echo $#)" ] || return ;;
  esac
  for word in $2; do [[ " $now" != *" $word "* ]] || return; done
}

ike_sas() {
  peer_ike_sas
}

# Our client does not say: it is the peer's word, and that pings get through with the keys that come of the exchange.
our_end_exchanged() {
  true
}
