#!/bin/bash
# kernel: any
# limit: 600
# takes: 60
# Stock strongSwan as the headend of our client, by the table interop.toml.
# shellcheck disable=SC2034,SC2128,SC2154,SC2178 # variables are set by name, and used by interop.sh; others are called as ours are
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
# shellcheck source-path=SCRIPTDIR source=../interop-headend.sh
. "$(dirname "$0")/../interop-headend.sh"
needs charon-systemd swanctl tcpdump
peer_log=$LAB_DIR/peer/charon.log

peer_prepare() {
  strongswan_prepare peer
  sed -i 's/^charon-systemd {/&\n  max_packet = 30000\n  retransmit_timeout = 1\n  retransmit_tries = 3\n  delete_rekeyed_delay = 1\n  cookie_threshold = 1/' "$LAB_DIR/peer/strongswan.conf"
}

# Its certificate and key, and what stands between the certificate and the root.
peer_certificates() {
  local swanctl=$LAB_DIR/peer/swanctl pki=$LAB_DIR/pki
  rm -f "$swanctl"/x509/* "$swanctl"/x509ca/* "$swanctl"/private/*
  cp "$pki/ca.crt" "$swanctl/x509ca/"
  case "${interop[auth]} ${interop[certificates]}" in
    'rsa short') cp "$pki/headend.crt" "$swanctl/x509/" && cp "$pki/headend.key" "$swanctl/private/" ;;
    'rsa long')
      cp "$pki/headend-long/own.crt" "$swanctl/x509/headend.crt"
      cp "$pki/headend-long/own.key" "$swanctl/private/"
      cp "$pki"/headend-long/{one,two,three}.crt "$swanctl/x509ca/"
      ;;
    ecdsa-*)
      cp "$pki/headend-${interop[auth]}.crt" "$swanctl/x509/headend.crt"
      cp "$pki/headend-${interop[auth]}.key" "$swanctl/private/"
      ;;
  esac
}

peer_start() {
  local threshold proof='auth = psk' authority='' networks=${peer_networks:-10.0.0.0/8}
  if [ "${interop[auth]}" != psk ]; then
    peer_certificates
    proof=$'auth = pubkey\n      certs = headend.crt' authority='cacerts = ca.crt'
  fi
  [ ! -e "$peer_log" ] || rm "$peer_log"
  put "$LAB_DIR/peer/swanctl/swanctl.conf" <<CONFIGURATION
connections {
  clients {
    version = 2
    proposals = $(ike_words "${interop[group]}")
    pools = clients$([ "${interop[inside]}" = dual ] && echo ', clients6')
    local { $proof
      id = vpn.example.com }
    remote { ${proof%%$'\n'*}
      $authority
      id = client.example.com }
    children { net { local_ts = $networks
      esp_proposals = $(esp_words) } }
  }
}
pools {
  clients { addrs = $peer_pool
    subnet = ${networks%%,*} }
  clients6 { addrs = $peer_pool_v6
    subnet = ${networks##*,} }
}
secrets { ike { secret = "$(<"$LAB_DIR/key")" } }
CONFIGURATION
  [ -z "${interop[cut]:-}" ] || sed -i 's/^ *version = 2/&\n    dpd_delay = 2/' "$LAB_DIR/peer/swanctl/swanctl.conf"
  # One half-open SA is enough for a cookie where the case is about that. Elsewhere a request that is begun anew with another group
  # would meet its own predecessor.
  case ${interop[cookie]} in never) threshold=30 ;; *) threshold=1 ;; esac
  sed -i "s/^  cookie_threshold = .*/  cookie_threshold = $threshold/" "$LAB_DIR/peer/strongswan.conf"
  strongswan_start peer "$headend"
}

peer_has_half_open() {
  says "$peer_log" 'generating IKE_SA_INIT response 0'
}

peer_words() { # dead|deleted|deleted-child|refused
  case $1 in
    dead) echo 'giving up after 3 retransmits' ;;
    refused) echo 'generating CREATE_CHILD_SA response [0-9]+ \[ N\(NO_PROP\) \]' ;;
    deleted-child) echo 'received DELETE for ESP CHILD_SA' ;;
    deleted) echo 'received DELETE for IKE_SA' ;;
  esac
}

peer_rekey() { # ike|child
  case $1 in
    ike) swanctl peer --rekey --ike clients ;;
    child) swanctl peer --rekey --child net ;;
  esac
}

peer_ike_sas() {
  swanctl peer --list-sas
}

peer_exchanged() { # GROUP|none
  strongswan_exchanged peer "$1"
}

interop_suite strongswan
