# shellcheck shell=bash
# Sourced after lib.sh by the suites that run stock strongSwan.
# shellcheck disable=SC2154 # variables are set by name
#
# Each instance is Debian's charon-systemd in a namespace, with a folder, a control socket and a configuration of its own:
#
#   strongswan_prepare NAME      makes LAB_DIR/NAME/swanctl/{x509,x509ca,private}; put certificates there
#   strongswan_start NAME NS     starts it; LAB_DIR/NAME/swanctl/swanctl.conf, if there, is loaded
#   swanctl NAME --list-sas …    talks to it
#   strongswan_stop NAME
#
# LAB_DIR/NAME/charon.log has what it said.

strongswan_prepare() { # NAME
  local folder=$LAB_DIR/$1
  mkdir -p "$folder"/swanctl/{x509,x509ca,x509ocsp,x509aa,x509ac,x509crl,pubkey,private,rsa,ecdsa,bliss,pkcs8,pkcs12}
  # Named one by one, for some others need hardware or minutes; without `resolve` the machine's /etc/resolv.conf stays as it is.
  put "$folder/strongswan.conf" <<CONFIGURATION
charon-systemd {
  load = random nonce openssl curve25519 kdf pem pkcs1 pkcs8 x509 pubkey constraints kernel-netlink socket-default \
    eap-identity eap-mschapv2 eap-tls updown vici
  plugins {
    vici { socket = unix://$folder/charon.vici }
  }
  journal { default = -1 }
  filelog {
    charon {
      path = $folder/charon.log
      default = 1
      ike = 2
      knl = 2
      flush_line = yes
    }
  }
}
swanctl { load = pem pkcs1 x509 openssl random nonce }
CONFIGURATION
  # For what reads no certificates, which swanctl starts the faster for.
  echo 'swanctl { load = random }' >"$folder/lean.conf"
}

strongswan_start() { # NAME NAMESPACE
  local folder=$LAB_DIR/$1 process
  [ -d "$folder" ] || strongswan_prepare "$1"
  # Under another path no AppArmor profile of the machine's stands in its way.
  [ -e "$folder/charon-systemd" ] || cp /usr/sbin/charon-systemd "$folder/charon-systemd"
  # An earlier one's would be taken for this one's.
  [ ! -e "$folder/charon.vici" ] || rm "$folder/charon.vici"
  STRONGSWAN_CONF=$folder/strongswan.conf spawn process "$folder/charon.out" in_ns "$2" "$folder/charon-systemd"
  echo "$process" >"$folder/process"
  evidence "$folder/charon.out"
  evidence "$folder/charon.log"
  wait_for 20 "charon of $1" strongswan_answers_or_ended "$1" "$process"
  ! process_gone "$process" || fail "charon of $1 ended at once"
  if [ -e "$folder/swanctl/swanctl.conf" ]; then swanctl "$1" --load-all --noprompt; fi
}

# Its socket queues what is asked before it is quite there.
strongswan_answers_or_ended() { # NAME PROCESS
  [ -S "$LAB_DIR/$1/charon.vici" ] || process_gone "$2"
}

strongswan_stop() { # NAME
  stop_process "$(cat "$LAB_DIR/$1/process")"
}

swanctl() { # NAME OPTION…
  local folder=$LAB_DIR/$1 action=$2 settings=lean
  shift 2
  [ "$action" != --load-all ] || settings=strongswan
  STRONGSWAN_CONF=$folder/$settings.conf SWANCTL_DIR=$folder/swanctl command swanctl "$action" "$@" --uri "unix://$folder/charon.vici"
}

# --- As client of our headend (after ironflex.sh) ---

# Call it after headend_prepare: the strongSwan instance `client` and its certificate.
strongswan_client_prepare() {
  strongswan_prepare client
  [ -e "$LAB_DIR/pki/client.example.com.crt" ] || certificate "$LAB_DIR/pki" ca client.example.com DNS:client.example.com clientAuth
  cp "$LAB_DIR/pki/ca.crt" "$LAB_DIR/client/swanctl/x509ca/"
  cp "$LAB_DIR/pki/client.example.com.crt" "$LAB_DIR/client/swanctl/x509/client.crt"
  cp "$LAB_DIR/pki/client.example.com.key" "$LAB_DIR/client/swanctl/private/"
}

# With other addresses and networks inside where peer_vips and peer_networks say so, and by RFC 6023 where peer_childless does.
strongswan_client_configure() { # IKE-PROPOSAL ESP-PROPOSAL
  put "$LAB_DIR/client/swanctl/swanctl.conf" <<CONFIGURATION
connections {
  headend {
    version = 2
    remote_addrs = $headend_address
    proposals = $1
    vips = ${peer_vips:-0.0.0.0}
    childless = ${peer_childless:-allow}
    local { auth = pubkey
      certs = client.crt
      id = client.example.com }
    remote { auth = pubkey
      id = vpn.example.com
      cacerts = ca.crt }
    children { net { remote_ts = ${peer_networks:-10.0.0.0/8}
      esp_proposals = $2 } }
  }
}
CONFIGURATION
}

# --- For the suites interop-* (after interop.sh) ---

# The proposals of a case of interop.toml.
ike_words() { # GROUPS
  local words group
  case ${interop[encryption]} in
    aes-cbc-*) words=aes${interop[encryption]#aes-cbc-}-${interop[hash]} ;;
    aes-gcm-*) words=aes${interop[encryption]#aes-gcm-}gcm16-prf${interop[hash]} ;;
  esac
  for group in $1; do words+=$(group_words "$group"); done
  printf '%s\n' "$words"
}

group_words() { # GROUP|none
  case $1 in
    none) ;;
    2) echo -modp1024 ;;
    14) echo -modp2048 ;;
    19) echo -ecp256 ;;
    20) echo -ecp384 ;;
    21) echo -ecp521 ;;
    31) echo -curve25519 ;;
    *) fail "interop.toml: no group $1" ;;
  esac
}

# A proposal for each key exchange that a child SA may have.
esp_words() {
  local suite words='' group
  case ${interop[esp]} in
    aes-cbc-256-sha256) suite=aes256-sha256 ;;
    aes-gcm-256) suite=aes256gcm16 ;;
  esac
  for group in ${interop[peer_pfs]:-none}; do words+=,$suite$(group_words "$group"); done
  printf '%s\n' "${words#,}"
}

# Whether the child SA in use has had this key exchange: strongSwan has it behind the algorithms.
strongswan_exchanged() { # NAME GROUP|none
  local line name=
  case $2 in
    none) ;;
    14) name=MODP_2048 ;;
    19) name=ECP_256 ;;
    31) name=CURVE_25519 ;;
    *) fail "no name for the exchange $2" ;;
  esac
  while read -r line; do
    if [[ $line =~ INSTALLED,\ .*ESP:([A-Z0-9_/-]+) ]]; then
      [[ ${BASH_REMATCH[1]} =~ /((MODP|ECP|CURVE)_[0-9]+)$ ]] || BASH_REMATCH=('' '')
      [ "${BASH_REMATCH[1]}" = "$name" ]
      return
    fi
  done < <(swanctl "$1" --list-sas)
  return 1
}
