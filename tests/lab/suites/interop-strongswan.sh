#!/bin/bash
# kernel: any
# limit: 600
# takes: 90
# Stock strongSwan as the client of our headend, by the table interop.toml.
# shellcheck disable=SC2034,SC2154 # variables are set by name, and used by interop.sh
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
# shellcheck source-path=SCRIPTDIR source=../strongswan.sh
. "$(dirname "$0")/../strongswan.sh"
# shellcheck source-path=SCRIPTDIR source=../interop.sh
. "$(dirname "$0")/../interop.sh"
needs charon-systemd swanctl openssl ping socat tcpdump
peer_log=$LAB_DIR/client/charon.log

peer_prepare() {
  strongswan_prepare client
  # A reassembled message of more than 10,000 octets is refused otherwise.
  sed -i 's/^charon-systemd {/&\n  max_packet = 30000/' "$LAB_DIR/client/strongswan.conf"
}

peer_start() {
  local folder=$LAB_DIR/client/swanctl
  rm -f "$folder"/{x509,x509ca,private}/*
  # charon writes on at its end.
  rm -f "$peer_log"
  cp "$LAB_DIR/pki/ca.crt" "$folder/x509ca/"
  case ${interop[certificates]} in
    short)
      cp "$LAB_DIR/pki/client.example.com.crt" "$folder/x509/client.crt"
      cp "$LAB_DIR/pki/client.example.com.key" "$folder/private/client.key"
      ;;
    long)
      cp "$LAB_DIR/pki/client-long/own.crt" "$folder/x509/client.crt"
      cp "$LAB_DIR/pki/client-long/own.key" "$folder/private/client.key"
      cp "$LAB_DIR"/pki/client-long/{one,two,three}.crt "$folder/x509ca/"
      ;;
  esac
  headend_address=$headend_outer strongswan_client_configure "$(ike_words)" "$(esp_words)"
  strongswan_start client "$client"
}

ike_words() {
  local words group
  case ${interop[encryption]} in
    aes-cbc-*) words=aes${interop[encryption]#aes-cbc-}-${interop[hash]} ;;
    aes-gcm-*) words=aes${interop[encryption]#aes-gcm-}gcm16-prf${interop[hash]} ;;
  esac
  for group in ${interop[peer_groups]}; do
    case $group in
      14) words+=-modp2048 ;;
      19) words+=-ecp256 ;;
      20) words+=-ecp384 ;;
      21) words+=-ecp521 ;;
      31) words+=-curve25519 ;;
      *) fail "interop.toml: no group $group" ;;
    esac
  done
  printf '%s\n' "$words"
}

esp_words() {
  case ${interop[esp]} in
    aes-cbc-256-sha256) echo aes256-sha256 ;;
    aes-gcm-256) echo aes256gcm16 ;;
  esac
}

peer_login() {
  swanctl client --initiate --child net --timeout 20
}

peer_words() { # cookie|invalid-ke
  case $1 in
    cookie) echo 'parsed IKE_SA_INIT response 0 \[ N\(COOKIE\) \]' ;;
    invalid-ke) echo 'parsed IKE_SA_INIT response 0 \[ N\(INVAL_KE\) \]' ;;
  esac
}

peer_rekey() { # ike|child
  case $1 in
    ike) swanctl client --rekey --ike headend ;;
    child) swanctl client --rekey --child net ;;
  esac
}

peer_leave() {
  swanctl client --terminate --ike headend --timeout 10
}

interop_suite strongswan
