#!/bin/bash
# kernel: any
# limit: 600
# takes: 140
# Stock libreswan as the client of our headend, by the table interop.toml.
# shellcheck disable=SC2034,SC2154 # variables are set by name, and used by interop.sh
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
# shellcheck source-path=SCRIPTDIR source=../libreswan.sh
. "$(dirname "$0")/../libreswan.sh"
# shellcheck source-path=SCRIPTDIR source=../interop.sh
. "$(dirname "$0")/../interop.sh"
needs certutil openssl ping pk12util socat tcpdump
libreswan_at_home
peer_log=$LAB_DIR/client/pluto.log

peer_prepare() {
  libreswan_prepare short "$LAB_DIR/pki" client.example.com
  libreswan_prepare long "$LAB_DIR/pki/client-long" own "$LAB_DIR"/pki/client-long/{one,two,three}.crt
  libreswan_prepare ecdsa-256 "$LAB_DIR/pki" client-ecdsa-256
  libreswan_prepare ecdsa-384 "$LAB_DIR/pki" client-ecdsa-384
}

peer_start() {
  local store=${interop[certificates]} proof=rsasig any=0.0.0.0/0 networks=10.0.0.0/8
  case ${interop[auth]} in
    ecdsa-*) store=${interop[auth]} proof=ecdsa ;;
    psk) proof=secret ;;
  esac
  # One connection has addresses of one family.
  [ "${interop[inside]}" != ipv6 ] || any=::/0 networks=$peer_networks
  rm -rf "$LAB_DIR/client"
  cp -a "$LAB_DIR/$store" "$LAB_DIR/client"
  cat >"$LAB_DIR/client/ipsec.conf" <<CONFIGURATION
conn headend
  ikev2=insist
  authby=$proof
  left=$peer_outer
  leftid=@client.example.com
  leftcert=own
  leftsendcert=always
  sendca=all
  leftsubnet=$any
  leftmodecfgclient=yes
  narrowing=yes
  right=$headend_outer
  rightid=@vpn.example.com
  rightca=%same
  rightsubnet=$networks
  ike=$(ike_words "${interop[peer_groups]}")
  esp=$(esp_words)
  dpddelay=2
  dpdaction=clear
  retransmit-timeout=6s
  $(updown_line)
  auto=add
CONFIGURATION
  if [ "$proof" = secret ]; then
    sed -i -e '/^  leftcert=/d' -e '/^  rightca=/d' "$LAB_DIR/client/ipsec.conf"
    printf '@client.example.com @vpn.example.com : PSK "%s"\n' "$interop_key" >"$LAB_DIR/client/ipsec.secrets"
  fi
  libreswan_start client "$client"
}

peer_login() {
  whack client --initiate --name headend
}

peer_words() { # cookie|invalid-ke
  case $1 in
    cookie) echo COOKIE ;;
    dead) echo 'EXPECTATION|liveness|timeout' ;;
    invalid-ke) echo INVALID_KE_PAYLOAD ;;
  esac
}

peer_rekey() { # ike|child
  case $1 in
    ike) whack client --rekey-ike --name headend ;;
    child) whack client --rekey-ipsec --name headend ;;
  esac
}

peer_leave() {
  whack client --terminate --name headend
}

peer_exchanged() { # GROUP|none
  libreswan_exchanged client "$1"
}

# Seen in captures: libreswan 4.10 has the first packet of its new SA out up to 30 ms before its CREATE_CHILD_SA answer.
interop_hasty=yes
interop_suite libreswan
