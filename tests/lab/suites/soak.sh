#!/bin/bash
# kernel: any
# limit: 300
# takes: 40
# Not a packet is lost while both ends rekey both kinds of SA again and again, under TCP and a flood of pings both ways. Two
# sessions run beside each other, each in a network of its own: one that is rekeyed, and for comparison one that is not.
#
# SOAK_SECONDS says for how long (`make soak`); the short form of `make test` is there to keep this file honest.
# shellcheck disable=SC2119,SC2154 # variables are set by name, by network, spawn and capture_start
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
needs openssl tcpdump
headend_prepare

# Each end rekeys this often. What the headend has rekeyed, our client does when it is half as old, by its lifetime, of which it
# leaves out a tenth to a fifth for the IKE SA and a second for the others.
if [ -n "${SOAK_SECONDS:-}" ]; then
  soak_seconds=$SOAK_SECONDS soak_period=20 soak_lifetime=12
else
  soak_seconds=16 soak_period=8 soak_lifetime=5
fi

# A session under load; what came of it stands in LAB_DIR/soak.NAME, in lines that soak_figures reads.
soak_session() { # NAME rekeyed|still
  local results=$LAB_DIR/soak.$1 side pings=() flows=() process options=(--dpd 600)
  # What it makes, it takes down itself: it runs beside another one.
  lab_deferred=()
  trap 'status=$?; lab_show_evidence "$status"; lab_undo; exit "$status"' EXIT
  mkdir -p "$LAB_DIR/$1"
  cp -a "$LAB_DIR/headend" "$LAB_DIR/password" "$LAB_DIR/pki" "$LAB_DIR/$1/"
  LAB_DIR=$LAB_DIR/$1
  [ "$2" = still ] || options+=(--lifetime "$soak_lifetime")
  network routed
  # A kernel of two processors, each of which may stand still for a while, has packets overtake others by more than the 64 that the
  # headend's replay window is on IOS-XE.
  headend_configure 'esp-gcm 256' 'encryption aes-gcm-256' 'prf sha256' 'group 31' \
    <<<$'!\ncrypto ipsec security-association replay window-size 1024'
  headend_start kernel
  # Every SA that goes is told with what it has carried; line by line, or what is still buffered at the end would be missing, and
  # without the events of every few packets, among which others would be lost.
  for side in headend client; do
    spawn process "$LAB_DIR/monitor-$side" "$LAB_TOOL" in "${!side}" stdbuf -oL ip -s xfrm monitor SA expire
  done
  capture_start ike "$router" outside "$LAB_DIR/ike.pcap" 'udp port 4500 and udp[8:4] = 0'
  client_start kernel "${options[@]}"
  for side in headend client; do in_ns "${!side}" cat /proc/net/xfrm_stat >"$LAB_DIR/before-$side"; done

  spawn process "$LAB_DIR/ping-up" "$LAB_TOOL" flood "$client" $server_address "$soak_seconds" 56
  pings+=("$process")
  spawn process "$LAB_DIR/ping-down" "$LAB_TOOL" flood "$server" $client_address "$soak_seconds" 1200
  pings+=("$process")
  spawn process "$LAB_DIR/flow-up" "$LAB_TOOL" flow "$client" "$server" $server_address 5001 "$soak_seconds"
  flows+=("$process")
  spawn process "$LAB_DIR/flow-down" "$LAB_TOOL" flow "$server" "$client" $client_address 5002 "$soak_seconds"
  flows+=("$process")
  [ "$2" = still ] || rekey_from_time_to_time
  for process in "${pings[@]}" "${flows[@]}"; do
    wait_for $((soak_seconds + 60)) "the end of the load" process_gone "$process"
  done
  # What is on its way still arrives.
  pause 1
  for side in headend client; do
    in_ns "${!side}" cat /proc/net/xfrm_stat >"$LAB_DIR/after-$side"
    ip -n "${!side}" -s xfrm state >"$LAB_DIR/states-$side"
  done
  client_leave
  stop_process "$ike"
  soak_figures >"$results"
}

# Our headend's part of the rekeying; the client's is in its lifetimes.
rekey_from_time_to_time() {
  local what next=$((SECONDS + soak_period)) end=$((SECONDS + soak_seconds - 1))
  while [ "$next" -lt "$end" ]; do
    while [ "$SECONDS" -lt "$next" ]; do pause 0.2; done
    for what in ikev2 ipsec; do "$IRONFLEX" exec --state-dir "$LAB_DIR/headend/state" test crypto rekey $what; done
    next=$((next + soak_period))
  done
}

# Figures of the session in LAB_DIR, a line each: NAME NUMBER.
soak_figures() {
  local side
  awk '{ pings += $2; lost += $2 - $4; twice += $6 } END { print "pings", pings; print "pings_lost", lost; print "pings_twice", twice }' \
    "$LAB_DIR/ping-up" "$LAB_DIR/ping-down"
  awk '$1 != "sent" { bad++ } { octets += $4 } END { printf "tcp_megabytes %.0f\ntcp_broken %d\n", octets / 1e6, bad }' \
    "$LAB_DIR/flow-up" "$LAB_DIR/flow-down"
  for side in headend client; do
    awk -v side=$side '
      FNR == NR { before[$1] = $2; next }
      /^Xfrm(In|Out)/ && $2 > before[$1] { n += $2 - before[$1]; print side ": " $1 " " $2 - before[$1] >"/dev/stderr" }
      END { print "xfrm_drops", n + 0 }' \
      "$LAB_DIR/before-$side" "$LAB_DIR/after-$side"
  done
  # RFC 4303 §2.2: the sequence number goes up by one with each packet, so that what an SA has sent less what its other end has
  # taken is what is missing of its numbers.
  awk -v ours=$headend_address '
    FNR == 1 { place = FILENAME; sub(/.*-/, "", place) }
    $1 == "Deleted" || $1 == "Updated" || $1 == "Expired" { $0 = substr($0, length($1) + 2) }
    /^src / { from = $2 == ours ? "headend" : "client"; spi = "" }
    $1 == "proto" && $2 == "esp" { spi = $4 }
    /lifetime current:/ && spi != "" {
      getline
      if ($2 + 0 > carried[place, spi]) carried[place, spi] = $2 + 0
      sender[spi] = from
    }
    END {
      for (spi in sender) {
        # A larval one carries nothing.
        if (carried["headend", spi] + carried["client", spi] == 0) continue
        sas++
        other = sender[spi] == "headend" ? "client" : "headend"
        sent = carried[sender[spi], spi] + 0
        packets += sent
        gap = sent - carried[other, spi]
        if (gap) { gaps += gap < 0 ? -gap : gap; print "SPI " spi " from " sender[spi] ": " sent " sent, " carried[other, spi] + 0 " taken" >"/dev/stderr" }
      }
      print "child_sas", sas / 2; print "esp_packets", packets + 0; print "esp_gaps", gaps + 0
    }' "$LAB_DIR"/{monitor,states}-{headend,client}
  # Requests of CREATE_CHILD_SA (36), and IKE SAs by their SPIs.
  tcpdump -n -x -r "$LAB_DIR/ike.pcap" 2>/dev/null | awk -v ours=$headend_address '
    function judge(spis, type, flags, id) {
      # 20 octets of IP, 8 of UDP, 4 of the non-ESP marker; then the SPIs, and from 18 on exchange type, flags and message ID.
      spis = substr(hex, 65, 32); type = substr(hex, 101, 2); flags = substr(hex, 103, 2); id = substr(hex, 105, 8)
      if (hex != "" && !(spis in seen)) { seen[spis] = 1; sas++ }
      if (type == "24" && flags ~ /^[01]/ && !((from, spis, id) in asked)) { asked[from, spis, id] = 1; n[from]++ }
      hex = ""
    }
    $1 ~ /^0x/ { for (i = 2; i <= NF; i++) hex = hex $i; next }
    { judge(); from = index($3, ours) == 1 ? "headend" : "client" }
    END { judge(); print "ike_sas", sas + 0; print "asked_by_headend", n["headend"] + 0; print "asked_by_client", n["client"] + 0 }'
}

figure() { # NAME FIGURE
  awk -v name="$2" '$1 == name { n += $2 } END { print n + 0 }' "$LAB_DIR/soak.$1"
}

lost() { # NAME
  echo $(($(figure "$1" pings_lost) + $(figure "$1" pings_twice) + $(figure "$1" xfrm_drops) + $(figure "$1" esp_gaps) + $(figure "$1" tcp_broken)))
}

totals() { # NAME
  printf '%s\n' "$(figure "$1" child_sas) child SAs, $(figure "$1" ike_sas) IKE SAs (rekeyings begun: headend $(figure "$1" asked_by_headend), client \
$(figure "$1" asked_by_client)), $(figure "$1" pings) pings, $(figure "$1" tcp_megabytes) MB of TCP, $(figure "$1" esp_packets) ESP packets; lost \
$(lost "$1") (pings $(figure "$1" pings_lost), twice $(figure "$1" pings_twice), XfrmIn*/Out* $(figure "$1" xfrm_drops), ESP numbers \
$(figure "$1" esp_gaps), TCP $(figure "$1" tcp_broken))"
}

no_packet_is_lost() {
  local rekeyed still least status=0
  soak_session still still &
  still=$!
  soak_session rekeyed rekeyed &
  rekeyed=$!
  wait "$rekeyed" || status=$?
  wait "$still" || status=$?
  [ "$status" = 0 ] || fail "a session ended before its time: $(cat "$LAB_DIR"/*/reason 2>/dev/null)"
  tell "soak: $soak_seconds s: $(totals rekeyed); control without rekeying: $(totals still)"
  [ "$(lost rekeyed)" = 0 ] || fail "$(lost rekeyed) packets lost; in the control $(lost still)"
  assert_equal "1 1" "$(figure still child_sas) $(figure still ike_sas)" "child and IKE SAs of the control"
  # Of both kinds of SA, one rekeying a period by either side but for the first and the last.
  least=$((2 * (soak_seconds / soak_period - 1)))
  (($(figure rekeyed asked_by_headend) >= least && $(figure rekeyed asked_by_client) >= least)) || fail "either side should have begun $least rekeyings"
  (($(figure rekeyed child_sas) > least / 2 && $(figure rekeyed ike_sas) > least / 2)) || fail "too few SAs came of the rekeyings"
  (($(figure rekeyed pings) > 20 * soak_seconds && $(figure rekeyed esp_packets) > 100 * soak_seconds)) || fail "there was no load"
}

lab_case rekeying-loses-nothing no_packet_is_lost
