#!/bin/bash
# kernel: any
# limit: 600
# takes: 60
# Stock libreswan as the headend of our client, by the table interop.toml.
# shellcheck disable=SC2034,SC2128,SC2154,SC2178 # variables are set by name, and used by interop.sh; others are called as ours are
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
# shellcheck source-path=SCRIPTDIR source=../libreswan.sh
. "$(dirname "$0")/../libreswan.sh"
# shellcheck source-path=SCRIPTDIR source=../interop.sh
. "$(dirname "$0")/../interop.sh"
# shellcheck source-path=SCRIPTDIR source=../interop-headend.sh
. "$(dirname "$0")/../interop-headend.sh"
needs certutil openssl pk12util tcpdump
libreswan_at_home
peer_log=$LAB_DIR/peer/pluto.log

peer_prepare() {
  libreswan_prepare short "$LAB_DIR/pki" headend
  libreswan_prepare long "$LAB_DIR/pki/headend-long" own "$LAB_DIR"/pki/headend-long/{one,two,three}.crt
  libreswan_prepare ecdsa-256 "$LAB_DIR/pki" headend-ecdsa-256
  libreswan_prepare ecdsa-384 "$LAB_DIR/pki" headend-ecdsa-384
  libreswan_prepare psk "$LAB_DIR/pki" nothing
  printf '@vpn.example.com @client.example.com : PSK "%s"\n' "$(<"$LAB_DIR/key")" >"$LAB_DIR/psk/ipsec.secrets"
}

peer_start() {
  local busy='' networks=${peer_networks:-10.0.0.0/8} pool=$peer_pool store=${interop[certificates]} proof=$'rsasig\n  leftcert=own\n  leftsendcert=always\n  sendca=all\n  rightca=%same'
  case ${interop[auth]} in
    psk) store=psk proof=secret ;;
    ecdsa-*) store=${interop[auth]} proof=ecdsa${proof#rsasig} ;;
  esac
  [ "${interop[inside]}" != dual ] || pool+=,$peer_pool_v6
  rm -rf "$LAB_DIR/peer"
  cp -a "$LAB_DIR/$store" "$LAB_DIR/peer"
  [ "${interop[cookie]}" = never ] || busy=$'config setup\n  ddos-mode=busy\n'
  put "$LAB_DIR/peer/ipsec.conf" <<CONFIGURATION
${busy}conn clients
  ikev2=insist
  authby=$proof
  left=$([ "${interop[network]}" = ipv6 ] && echo "$headend_outer" || echo "$headend_address")
  leftid=@vpn.example.com
  leftsubnet=${networks%%,*}
  right=%any
  rightid=@client.example.com
  rightaddresspool=$pool
  narrowing=yes
  ike=$(ike_words "${interop[group]}")
  esp=$(esp_words)
  dpddelay=2
  dpdaction=clear
  retransmit-timeout=6s
  $(updown_line)
  auto=add
CONFIGURATION
  libreswan_start peer "$headend"
}

# It asks for cookies as it is told.
half_open() {
  :
}

peer_words() { # dead
  echo 'second timeout limit|liveness'
}

peer_rekey() { # ike|child
  case $1 in
    ike) whack peer --rekey-ike --name clients ;;
    child) whack peer --rekey-ipsec --name clients ;;
  esac
}

peer_ike_sas() {
  whack peer --showstates
}

peer_exchanged() { # GROUP|none
  libreswan_exchanged peer "$1"
}

# Seen in captures: libreswan 4.10 has the first packet of its new SA out up to 30 ms before its CREATE_CHILD_SA answer.
interop_hasty=yes
interop_suite libreswan
