#!/bin/bash
# kernel: any
# limit: 180
# takes: 30
# tshark reads a login, pings and a delete of ours with the key tables that the headend and the client wrote of it.
# Userspace carries ESP: what is logged of an SA is the same on every dataplane.
# shellcheck disable=SC2154 # netns_add, spawn and capture_start set the variables that they are given the names of
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
needs openssl ping tcpdump tshark
headend_prepare

reads_a_session() { # TRANSFORM [IKE-LINE…]
  local keys=$LAB_DIR/keys reader
  # A case before has left its own.
  rm -rf "$keys"
  mkdir -p "$keys/none"
  network routed
  headend_configure "$@" </dev/null
  headend_start userspace
  assert_equal '% keys is a relative path: name the folder of the key tables from / on' "$(headend_exec debug crypto ikev2 keylog keys || true)" \
    "the answer to a relative folder"
  headend_exec debug crypto ikev2 keylog "$keys/headend"
  capture_start cable "$router" inside "$LAB_DIR/cable.pcap"
  client_start userspace --keylog "$keys/client"
  ping_sizes "$client" $server_address 0 56 1300
  ping_sizes "$server" $client_address 56
  client_leave
  # Once this packet is in the file, everything before it is.
  "$LAB_TOOL" udp "$client" $headend_address 9 lab-end
  wait_for 10 "the capture's end" "$LAB_TOOL" holds "$LAB_DIR/cable.pcap" lab-end
  stop_process "$cable"

  evidence "$LAB_DIR/tshark.log"
  read_cable none
  assert_equal '' "$(readable none)" "packets read without keys"
  for reader in headend client; do
    read_cable "$reader"
    assert_reads_login "$reader"
    assert_reads_traffic "$reader"
    assert_all_authentic "$reader"
  done
}

headend_exec() { # WORD…
  "$IRONFLEX" exec --state-dir "$LAB_DIR/headend/state" "$@"
}

# What tshark is asked of each packet; how the columns are called in what follows stands beside it.
columns=(
  isakmp.exchangetype              # exchange
  isakmp.messageid                 # id
  isakmp.flag_r                    # response
  isakmp.enc.icd                   # checked
  isakmp.ikev2.integrity_checksum  # wrong
  isakmp.id.data.key_id            # identity
  isakmp.delete.protoid            # deleted
  eap.code                         # code
  data.data                        # document
  icmp.type                        # echo
  ip.src                           # from
  ip.dst                           # to
  esp.spi                          # spi
  esp.icv_good                     # authentic
  esp.icv_bad                      # forged
  _ws.malformed                    # malformed
)

# Has tshark read the capture with the key tables of READER: a line for each packet of IKE and ESP. It is asked once,
# for in user-mode-linux its start takes longest. Of a field that occurs several times in a packet, the innermost.
read_cable() { # READER
  local column fields=()
  for column in "${columns[@]}"; do fields+=(-e "$column"); done
  WIRESHARK_CONFIG_DIR=$LAB_DIR/keys/$1 tshark -n -r "$LAB_DIR/cable.pcap" -o esp.enable_encryption_decode:TRUE \
    -o esp.enable_authentication_check:TRUE -Y 'isakmp || esp' -T fields -E occurrence=l "${fields[@]}" \
    >"$LAB_DIR/keys/$1.txt" 2>"$LAB_DIR/tshark.log" || fail "tshark: $(tail -n 1 "$LAB_DIR/tshark.log")"
}

# PROGRAM, in awk, over those lines with the columns by their names.
each_packet() { # READER PROGRAM
  awk -F '\t' "{ exchange = \$1; id = \$2; response = \$3; checked = \$4; wrong = \$5; identity = \$6; deleted = \$7; code = \$8
    document = \$9; echo = \$10; from = \$11; to = \$12; spi = \$13; authentic = \$14; forged = \$15; malformed = \$16 } $2" "$LAB_DIR/keys/$1.txt"
}

# What is to be seen only with keys.
readable() { # READER
  each_packet "$1" 'checked != "" || identity != "" || code != "" || echo != "" || authentic == 1'
}

# The client's identity, every document in its place and direction, and the delete.
assert_reads_login() { # READER
  # shellcheck disable=SC2016 # that is how Cisco's clients call themselves
  assert_equal "$(printf '*$AnyConnectClient$*' | od -A n -v -t x1 | tr -d ' \n')" \
    "$(each_packet "$1" 'identity != "" { print identity }')" "the client's identity by the $1's keys"
  # 1 is an EAP Request, 2 a Response, 3 a Success (RFC 3748 §4).
  assert_equal '1 hello, 2 init, 1 auth-request, 2 auth-reply, 1 complete, 2 ack, 3, ' "$(conversation "$1")" \
    "the EAP conversation by the $1's keys"
  # RFC 7296 §1.4.1: the client deletes its IKE SA by an INFORMATIONAL (37) request; a Delete of protocol 1 means that.
  # It heeds the answer, so it asks once.
  assert_equal '37 0 1' "$(each_packet "$1" 'deleted != "" { print exchange, response, deleted }')" "the delete by the $1's keys"
}

# Code and config-auth type of every EAP packet, in one line.
conversation() { # READER
  local code octets type
  while read -r code octets; do
    # shellcheck disable=SC2001,SC2059 # the octets are the format: \x3c\x3f…
    type=$(printf "$(sed 's/../\\x&/g' <<<"$octets")" | tr -d '\0' | sed -n 's/.*<config-auth [^>]*type="\([^"]*\)".*/ \1/p')
    printf '%s' "$code$type, "
  done < <(each_packet "$1" 'code != "" { print code, document }')
}

# Each echo (ICMP type 8) and its answer (0) with the inner addresses: three from the client, one from the server.
assert_reads_traffic() { # READER
  assert_equal "$(printf '%s\n' "1 0 $client_address $server_address" "1 8 $server_address $client_address" \
    "3 0 $server_address $client_address" "3 8 $client_address $server_address")" \
    "$(each_packet "$1" 'echo != "" { n[echo " " from " " to]++ } END { for (one in n) print n[one], one }' | sort)" \
    "echoes inside ESP by the $1's keys"
}

# Every message and packet that is encrypted was decrypted, and tshark found its check value right.
assert_all_authentic() { # READER
  # RFC 7296 §3.1: exchanges from IKE_AUTH (35) on are encrypted. What comes in fragments, tshark shows with the last one.
  assert_equal "$(each_packet none 'exchange >= 35 { print id, response }' | sort -u)" \
    "$(each_packet "$1" 'checked != "" { print id, response }' | sort -u)" "IKE messages decrypted by the $1's keys"
  assert_equal "8 8" "$(each_packet "$1" 'spi != "" { all++ } authentic == 1 { good++ } END { print all + 0, good + 0 }')" \
    "ESP packets, and those found authentic by the $1's keys"
  assert_equal '' "$(each_packet "$1" 'wrong != "" || forged == 1 || malformed != ""')" "packets found wrong by the $1's keys"
}

lab_case aes-cbc-sha256 reads_a_session 'esp-aes 256 esp-sha256-hmac'
lab_case aes-gcm reads_a_session 'esp-gcm 256' 'encryption aes-gcm-256' 'prf sha384' 'group 19'
