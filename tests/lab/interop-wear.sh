# shellcheck shell=bash
# Sourced after interop.sh: cases of interop.toml in which child SAs wear out in the kernel of our end, by `worn` and `outlived`.
# shellcheck disable=SC2154 # variables are set by name

# Octets of the headend's lifetime in kilobytes, the least that IOS-XE takes.
wear_octets=$((2560 * 1024))
# Payload of the pings that wear an SA out, and more than their packets have in ESP's form.
wear_payload=1300
wear_packet=1500

# Has the kernel of our end tell of every SA that reaches a limit or goes, with what it has carried by then.
watch_wear() {
  spawn wear_told "$LAB_DIR/wear" in_ns "${!interop_our_end}" stdbuf -oL ip -s xfrm monitor SA expire
  evidence "$LAB_DIR/wear"
}

# What the kernel told, a line each: KIND SPI OCTETS PACKETS, the kind soft, hard or gone.
wear_notes() {
  awk '
    /^(Expired|Deleted|Updated|src) / { kind = $1; spi = "" }
    $1 == "proto" && $2 == "esp" && spi == "" { spi = $4; sub(/\(.*/, "", spi) }
    /lifetime current:/ && spi != "" {
      getline
      octets = $1; packets = $2
      sub(/\(.*/, "", octets); sub(/\(.*/, "", packets)
      if (kind == "Deleted") print "gone", spi, octets, packets
    }
    kind == "Expired" && $1 == "hard" { print $2 + 0 ? "hard" : "soft", spi, octets, packets }' "$LAB_DIR/wear"
}

# How often the kernel has told of this kind.
wear_count() { # KIND
  wear_notes | grep -c "^$1 " || true
}

wear_told_of() { # KIND NUMBER
  [ "$(wear_count "$1")" -ge "$2" ]
}

# Pings both ways that load the SAs until our headend has replaced one: none is lost, and no SA comes to its end.
interop_worn() {
  local up down counts
  interop_network
  interop_headend
  watch_router
  peer_start
  peer_login
  ping_sizes "$client" "$server_address" 56
  assert_exchanged none
  watch_wear
  spawn up "$LAB_DIR/up" in_ns "$client" ping -n -q -i 0.008 -s $wear_payload -c 1500 -W $((5 * lab_stretch)) "$server_address"
  spawn down "$LAB_DIR/down" in_ns "$server" ping -n -q -i 0.008 -s $wear_payload -c 1500 -W $((5 * lab_stretch)) "$client_address"
  wait_for 90 "the end of the pings" process_gone "$up"
  wait_for 90 "the end of the pings" process_gone "$down"
  # An outbound SA and an inbound one.
  wait_for 10 "the end of an SA that was replaced" wear_told_of gone 2
  counts="$(ping_counts "$LAB_DIR/up") $(ping_counts "$LAB_DIR/down")"
  tell "${interop[name]}: 4 MB each way at 2560 KB an SA: $(wear_count soft) soft and $(wear_count hard) hard limits told; pings sent and answered, up and down: $counts"
  assert_equal '1500 1500 1500 1500' "$counts" "pings sent and answered, up and down"
  assert_equal 0 "$(wear_count hard)" "SAs that reached their hard limit"
  [ "$(wear_count soft)" -gt 0 ] || fail "the kernel told of no soft limit"
  assert_exchanged "${interop[exchanged]}"
  peer_leave
  wait_for 5 "the headend to drop its SAs" no_sas "$headend"
  assert_router_saw_esp bare
}

# The pings sent and answered, two numbers.
ping_counts() { # LOG
  sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received,.*/\1 \2/p' "$1"
}

# RFC 7296 §2.8: nobody replaces the child SA, whose rekeyings the peer refuses, and the kernel of our end ends it at its hard limit. The
# session goes with it, the peer is told, nothing goes out on the SA any more, and nothing is left of it.
interop_outlived() {
  local interval=0.004 payload=$wear_payload pings outbound lines peer_end
  # Or the load would not wait for the time.
  [ "${interop[outlived]}" = kilobytes ] || interval=0.2 payload=56
  outlived_begins
  outbound=$(ip -n "${!interop_our_end}" xfrm state list src "$outlived_from" | sed -n 's/^[[:blank:]]*proto esp spi \([0-9a-fx]*\).*/\1/p')
  [ -n "$outbound" ] || fail "our end has no outbound SA"
  spawn pings "$LAB_DIR/pings" in_ns "$server" ping -n -O -i $interval -s "$payload" "$client_address"
  wait_for 150 "the hard limit" wear_told_of hard 1
  outlived_ends
  wait_for 5 "the peer to hear of the child SA's end" says "$peer_log" "$(peer_words deleted-child)"
  wait_for 5 "the peer to hear of the session's end" says "$peer_log" "$(peer_words deleted)"
  says "$peer_log" "$(peer_words refused)" || fail "the peer refused no rekeying"
  for peer_end in "$headend" "$client"; do
    wait_for 5 "the end of all SAs" no_sas "$peer_end"
    assert_equal '' "$(ip -n "$peer_end" xfrm policy | grep -F 'proto esp' || true)" "policies for ESP that are left"
  done
  # What is sent now has no way.
  mapfile -t lines <"$LAB_DIR/pings"
  wait_for 10 "further pings" more_lines "$LAB_DIR/pings" $((${#lines[@]} + 20))
  kill -INT "$pings"
  wait_for 5 "the end of the pings" process_gone "$pings"
  outlived_watch_ends
  assert_sent_no_further "$outbound"
}

# What the kernel counted on the outbound SA by its end is all that passed the router on it.
assert_sent_no_further() { # SPI
  local kind spi octets packets told='' lived
  while read -r kind spi octets packets; do
    case "$kind $spi" in "hard $1" | "gone $1") told="$kind $octets $packets" ;; esac
  done < <(wear_notes)
  read -r kind octets packets <<<"$told"
  [ -n "$packets" ] || fail "the kernel did not tell of the outbound SA's end"
  tell "${interop[name]}: $(wear_count hard) hard limits told; the outbound SA ended ($kind) with $octets octets in $packets packets"
  # The router shows each packet twice, coming and going.
  tcpdump -tt -n -r "$LAB_DIR/router.pcap" "ip proto 50 and ip[20:4] = $1" 2>/dev/null | grep ' Out ' >"$LAB_DIR/sent"
  assert_equal "$packets" "$(wc -l <"$LAB_DIR/sent")" "packets that passed the router on the outbound SA, of those that the kernel counted"
  case ${interop[outlived]} in
    kilobytes)
      assert_equal hard "$kind" "the end of the outbound SA"
      ((octets >= wear_octets && octets < wear_octets + wear_packet)) || fail "the kernel ended the SA at $octets octets, not at $wear_octets"
      ;;
    seconds)
      lived=$(awk 'NR == 1 { first = $1 } { last = $1 } END { printf "%d\n", last - first }' "$LAB_DIR/sent")
      tell "${interop[name]}: $lived s from its first packet to its last"
      ((lived <= outlived_seconds + 1 && lived >= outlived_seconds - 10)) || fail "the SA was in use for $lived s, not for $outlived_seconds"
      ;;
  esac
}

# --- What differs where our client is the one whose SA it is (interop-headend.sh) ---

outlived_begins() {
  outlived_seconds=120 outlived_from=$headend_address
  interop_network
  interop_headend
  remember_network "$headend" headend
  watch_router
  peer_start
  watch_wear
  peer_login
  ping_sizes "$client" "$server_address" 56
}

outlived_ends() {
  wait_for 10 "the headend to end the session" says "$LAB_DIR/headend/log" 'is DOWN\..*reason: the lifetime is over'
  says "$LAB_DIR/headend/log" 'SA .* has expired' || fail "the headend did not say that the SA expired"
  assert_network_back "$headend" headend "after the end of the SA"
}

outlived_watch_ends() {
  assert_router_saw_esp bare
}
