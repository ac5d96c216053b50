# shellcheck shell=bash
# Sourced after lib.sh by the suites that run stock libreswan.
# shellcheck disable=SC2154 # variables are set by name
#
# Each instance is Debian's pluto, unpacked apart by install (its package and strongSwan's exclude each other), in a namespace,
# with a certificate store, a control socket and a configuration of its own:
#
#   libreswan_prepare NAME FOLDER CERTIFICATE [AUTHORITY …]
#                       makes LAB_DIR/NAME with a store of FOLDER's authority ca, the certificate and key
#                       FOLDER/CERTIFICATE.{crt,key} under the name `own`, and the certificates of AUTHORITY between them; with nothing
#                       in it, if CERTIFICATE is `nothing`
#   libreswan_start NAME NS
#                       starts it; it loads the one connection of LAB_DIR/NAME/ipsec.conf
#   whack NAME --initiate --name CONNECTION …
#                       talks to it
#   libreswan_stop NAME
#
# LAB_DIR/NAME/pluto.log has what it said.

# shellcheck source-path=SCRIPTDIR source=kernels.sh
. "$(dirname "${BASH_SOURCE[0]}")/kernels.sh"
libreswan_programs=/usr/libexec/ipsec

# Before anything else of it is run in a lab kernel: pluto finds its own programs in that place alone. The mount ends with the suite.
libreswan_at_home() {
  mount --bind "$libreswan_cache/usr/libexec" /usr/libexec
}

libreswan_prepare() { # NAME FOLDER CERTIFICATE [AUTHORITY …]
  local folder=$LAB_DIR/$1
  mkdir -p "$folder/policies"
  # Made by tests/lab/certificates, at the machine's own speed.
  if [ -e "$2/store-$3" ]; then
    cp -a "$2/store-$3" "$folder/store"
  elif [ "$3" = nothing ]; then
    libreswan_store "$folder/store"
  else
    libreswan_store "$folder/store" "${@:2}"
  fi
  : >"$folder/ipsec.secrets"
}

# Makes STORE: with nothing in it, unless a certificate is named.
libreswan_store() { # STORE [FOLDER CERTIFICATE [AUTHORITY …]]
  local store=sql:$1 authority
  mkdir -p "$1"
  certutil -N -d "$store" --empty-password
  [ $# -gt 1 ] || return 0
  openssl pkcs12 -export -in "$2/$3.crt" -inkey "$2/$3.key" -certfile "$2/ca.crt" -name own -out "$1/own.p12" -passout pass:
  pk12util -i "$1/own.p12" -d "$store" -W '' >/dev/null
  certutil -A -d "$store" -n ca -t CT,, -a -i "$2/ca.crt"
  for authority in "${@:4}"; do certutil -A -d "$store" -n "$(basename "$authority")" -t ,, -a -i "$authority"; done
}

# Makes the stores of every case beside the certificates.
libreswan_stores() { # PKI
  local name
  libreswan_store "$1/store-nothing"
  for name in {client.example.com,headend} {client,headend}-ecdsa-{256,384}; do libreswan_store "$1/store-$name" "$1" "$name"; done
  for name in client headend; do libreswan_store "$1/$name-long/store-own" "$1/$name-long" own "$1/$name-long"/{one,two,three}.crt; done
}

libreswan_start() { # NAME NAMESPACE
  local folder=$LAB_DIR/$1 process
  PATH=$libreswan_cache/usr/sbin:$PATH spawn process "$folder/pluto.out" in_ns "$2" "$libreswan_programs/pluto" --nofork --config "$folder/ipsec.conf" --rundir "$folder" --nssdir "$folder/store" \
    --secretsfile "$folder/ipsec.secrets" --ipsecdir "$folder" --logfile "$folder/pluto.log" --nhelpers 1
  echo "$process" >"$folder/process"
  evidence "$folder/pluto.out"
  evidence "$folder/pluto.log"
  wait_for 20 "pluto of $1" libreswan_is_up_or_ended "$1" "$process"
  ! process_gone "$process" || fail "pluto of $1 ended at once"
  ! says "$folder/pluto.log" 'failed to add connection' || fail "pluto of $1: $(grep -m 1 'failed to add connection' "$folder/pluto.log")"
}

# It has its addresses and its connection, or has ended.
libreswan_is_up_or_ended() { # NAME PROCESS
  process_gone "$2" || {
    says "$LAB_DIR/$1/pluto.log" 'listening for IKE messages' && says "$LAB_DIR/$1/pluto.log" 'added IKEv2 connection|failed to add connection'
  }
}

libreswan_stop() { # NAME
  stop_process "$(cat "$LAB_DIR/$1/process")"
}

whack() { # NAME OPTION…
  local folder=$LAB_DIR/$1
  shift
  "$libreswan_programs/whack" --rundir "$folder" "$@"
}

# --- For the suites interop-* (after interop.sh) ---

# What pluto calls for addresses and routes. Its own script stays where that is what a case is expected to fail by.
updown_line() {
  [ -n "${interop[fails]:-}" ] || printf 'leftupdown=%s\n' "$lab_root/tests/lab/libreswan-updown"
}

# The proposals of a case of interop.toml.
ike_words() { # GROUPS
  local words groups
  case ${interop[encryption]} in
    aes-cbc-*) words=aes${interop[encryption]#aes-cbc-} ;;
    aes-gcm-*) words=aes_gcm${interop[encryption]#aes-gcm-} ;;
  esac
  case ${interop[hash]} in
    sha1) words+=-sha1 ;;
    *) words+=-sha2_${interop[hash]#sha} ;;
  esac
  # shellcheck disable=SC2086 # a list of numbers
  printf -v groups '+dh%s' $1
  printf '%s-%s\n' "$words" "${groups#+}"
}

# With the key exchanges that a child SA may have. What pluto rekeys with is the group of the IKE SA all the same, unless it is to have none.
esp_words() {
  local words groups
  case ${interop[esp]} in
    aes-cbc-256-sha256) words=aes256-sha2_256 ;;
    aes-gcm-256) words=aes_gcm256 ;;
  esac
  case ${interop[peer_pfs]:-} in
    '') ;;
    none) words+=$'\n  pfs=no' ;;
    *)
      # shellcheck disable=SC2086 # a list of words
      printf -v groups '+dh%s' ${interop[peer_pfs]}
      groups=${groups//dhnone/none}
      case ${interop[esp]} in aes-gcm-*) words+=-none ;; esac
      words+=-${groups#+}
      ;;
  esac
  printf '%s\n' "$words"
}

# Whether the child SA that was made last has had this key exchange: pluto has it behind the algorithms.
libreswan_exchanged() { # NAME GROUP|none
  local line name=NONE said=
  case $2 in
    none) ;;
    14) name=NONE-MODP2048 ;;
    *) name=NONE-DH$2 ;;
  esac
  while read -r line; do
    [[ ! $line =~ Child\ SA.*\ xfrm=[A-Z]+_GCM_16_256-([A-Z0-9-]+) ]] || said=${BASH_REMATCH[1]}
  done <"$LAB_DIR/$1/pluto.log"
  [ "$said" = "$name" ]
}
