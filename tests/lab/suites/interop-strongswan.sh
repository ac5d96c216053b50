#!/bin/bash
# kernel: any
# limit: 600
# takes: 150
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
# shellcheck source-path=SCRIPTDIR source=../interop-wear.sh
. "$(dirname "$0")/../interop-wear.sh"
needs charon-systemd swanctl openssl ping socat tcpdump
peer_log=$LAB_DIR/client/charon.log

# An instance for each length of chain, of which `client` is the one in use.
peer_prepare() {
  local length folder
  for length in short long ecdsa-256 ecdsa-384 psk; do
    strongswan_prepare $length
    folder=$LAB_DIR/$length
    # A reassembled message of more than 10,000 octets is refused otherwise.
    sed -i 's/^charon-systemd {/&\n  max_packet = 30000\n  retransmit_timeout = 1\n  retransmit_tries = 3\n  delete_rekeyed_delay = 1/' "$folder/strongswan.conf"
    cp "$LAB_DIR/pki/ca.crt" "$folder/swanctl/x509ca/"
  done
  cp "$LAB_DIR/pki/client.example.com.crt" "$LAB_DIR/short/swanctl/x509/client.crt"
  cp "$LAB_DIR/pki/client.example.com.key" "$LAB_DIR/short/swanctl/private/client.key"
  cp "$LAB_DIR/pki/client-long/own.crt" "$LAB_DIR/long/swanctl/x509/client.crt"
  cp "$LAB_DIR/pki/client-long/own.key" "$LAB_DIR/long/swanctl/private/client.key"
  cp "$LAB_DIR"/pki/client-long/{one,two,three}.crt "$LAB_DIR/long/swanctl/x509ca/"
  for length in ecdsa-256 ecdsa-384; do
    cp "$LAB_DIR/pki/client-$length.crt" "$LAB_DIR/$length/swanctl/x509/client.crt"
    cp "$LAB_DIR/pki/client-$length.key" "$LAB_DIR/$length/swanctl/private/client.key"
  done
}

peer_start() {
  case ${interop[auth]} in
    rsa) ln -sfn "${interop[certificates]}" "$LAB_DIR/client" ;;
    *) ln -sfn "${interop[auth]}" "$LAB_DIR/client" ;;
  esac
  # charon writes on at its end.
  [ ! -e "$peer_log" ] || rm "$peer_log"
  headend_address=$headend_outer strongswan_client_configure "$(ike_words "${interop[peer_groups]}")" "$(esp_words)"
  if [ "${interop[auth]}" = psk ]; then
    sed -i -e 's/auth = pubkey/auth = psk/' -e '/^ *certs = /d' -e 's/cacerts = ca.crt//' "$LAB_DIR/client/swanctl/swanctl.conf"
    printf 'secrets { ike { id-1 = client.example.com\n id-2 = vpn.example.com\n secret = "%s" } }\n' "$interop_key" \
      >>"$LAB_DIR/client/swanctl/swanctl.conf"
  fi
  [ -z "${interop[cut]:-}" ] || sed -i 's/^ *version = 2/&\n    dpd_delay = 2/' "$LAB_DIR/client/swanctl/swanctl.conf"
  strongswan_start client "$client"
}

peer_login() {
  swanctl client --initiate --child net --timeout 20
}

peer_words() { # cookie|dead|deleted|deleted-child|invalid-ke|refused
  case $1 in
    cookie) echo 'parsed IKE_SA_INIT response 0 \[ N\(COOKIE\) \]' ;;
    dead) echo 'giving up after 3 retransmits' ;;
    refused) echo 'generating CREATE_CHILD_SA response [0-9]+ \[ N\(NO_PROP\) \]' ;;
    deleted-child) echo 'received DELETE for ESP CHILD_SA' ;;
    deleted) echo 'received DELETE for IKE_SA' ;;
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

peer_exchanged() { # GROUP|none
  strongswan_exchanged client "$1"
}

interop_suite strongswan
