# shellcheck shell=bash
# Sourced by every suite; runs inside a lab kernel (LAB_KERNEL: own, uml or debian), as root, in an empty /run.
#
# A suite is a script under suites/ with these lines at its head
#
#   # kernel: any|uml|debian    where it runs; any and uml are content with ESP, debian also needs xfrm interfaces,
#                               nf_tables and netem. A machine whose own kernel has them runs it directly.
#   # limit: SECONDS            after which the runner ends it
#   # takes: SECONDS            about, on an idle machine; the runner begins with the longest
#   # processors: NUMBER        of the machine where it is emulated, unless one is enough
#
# It sources this file and calls `lab_case NAME FUNCTION [ARG …]` for each test. Every case prints one line that the runner
# counts, `lab: SUITE/NAME: ok`, `… failed: REASON`, `… skipped: REASON` or `… expected failure: REASON`, and ends with what it
# made taken down again. LAB_CASES, a pattern of the shell's, has only the cases run whose names it matches.
# What a case prints is shown only when it failed, except by `tell`. What is made outside a case lives until the suite's end. A suite that
# uses the program under test finds it at IRONFLEX.
set -euo pipefail

lab_suite=$(basename "$0" .sh)
lab_status=0
lab_counter=0
lab_deferred=()
lab_evidence=()
# Scratch space of the suite, in memory.
LAB_DIR=$(mktemp -d)
# Every deadline below is stretched by this: qemu without hardware help runs ten times slower, and the runner sets
# LAB_PATIENCE when other suites run at the same time.
case ${LAB_KERNEL:-own} in debian) lab_stretch=10 ;; *) lab_stretch=1 ;; esac
lab_stretch=$((lab_stretch * ${LAB_PATIENCE:-1}))

# --- Cases ---

# Leaves COMMAND to be run when the case (or, outside one, the suite) ends; the last deferred runs first.
defer() { # COMMAND [ARG …]
  local lab_line
  printf -v lab_line '%q ' "$@"
  lab_deferred+=("$lab_line")
}

lab_undo() {
  local index
  for ((index = ${#lab_deferred[@]} - 1; index >= 0; index--)); do
    eval "${lab_deferred[index]}" >/dev/null 2>&1 || true
  done
  lab_deferred=()
}

lab_end() {
  local status=$?
  lab_undo
  rm -rf "$LAB_DIR"
  [ "$status" != 0 ] || status=$lab_status
  exit "$status"
}
trap lab_end EXIT

# Has the end of FILE shown when the case fails.
evidence() { # FILE
  lab_evidence+=("$1")
}

lab_show_evidence() { # STATUS
  local file
  case $1 in 0 | "$lab_skipped") return 0 ;; esac
  for file in ${lab_evidence[@]+"${lab_evidence[@]}"}; do
    printf '%s\n' "--- $(basename "$(dirname "$file")")/$(basename "$file")"
    tail -n 40 "$file" 2>/dev/null || true
  done
}

# Says something that is shown whatever becomes of the case.
exec {lab_told}>&1
tell() { # LINE…
  printf '  %s\n' "$@" >&"$lab_told"
}

# The exit status by which a case says that it was skipped.
lab_skipped=77

# Ends the case as failed.
fail() { # REASON
  printf '%s\n' "$*" >"$LAB_DIR/reason"
  exit 1
}

# Ends the case as skipped.
skip() { # REASON
  printf '%s\n' "$*" >"$LAB_DIR/reason"
  exit "$lab_skipped"
}

lab_case() { # NAME FUNCTION [ARG …]
  local name=$1 status reason
  # shellcheck disable=SC2053 # a pattern
  [[ $1 == ${LAB_CASES:-*} ]] || return 0
  shift
  : >"$LAB_DIR/reason"
  # A function called as a condition would run without errexit, so the status is taken the long way.
  set +e
  (
    set -eE
    lab_deferred=()
    trap '[ -s "$LAB_DIR/reason" ] || printf "%s: exit status %s\n" "$BASH_COMMAND" "$?" >"$LAB_DIR/reason"' ERR
    trap 'status=$?; lab_show_evidence "$status"; lab_undo; exit "$status"' EXIT
    "$@"
  ) >"$LAB_DIR/case.log" 2>&1
  status=$?
  set -e
  IFS= read -r -d '' reason <"$LAB_DIR/reason" || true
  reason=${reason%$'\n'}
  case $status in
    0) printf 'lab: %s/%s: ok\n' "$lab_suite" "$name" ;;
    "$lab_skipped") printf 'lab: %s/%s: skipped: %s\n' "$lab_suite" "$name" "$reason" ;;
    *)
      lab_status=1
      sed 's/^/  | /' "$LAB_DIR/case.log"
      printf 'lab: %s/%s: failed: %s\n' "$lab_suite" "$name" "${reason:-exit status $status}"
      ;;
  esac
}

# A case that is expected to fail, with these words in its output: it counts as failed when it passes, or fails otherwise.
lab_case_fails() { # REASON WORDS NAME FUNCTION [ARG …]
  local reason=$1 words=$2 outcome status=$lab_status
  shift 2
  outcome=$(lab_case "$@")
  lab_status=$status
  case $outcome in
    *': ok')
      lab_status=1
      printf 'lab: %s/%s: failed: it passed; it was expected to fail: %s\n' "$lab_suite" "$1" "$reason"
      ;;
    *"$words"*': failed: '*) printf 'lab: %s/%s: expected failure: %s\n' "$lab_suite" "$1" "$reason" ;;
    *)
      case $outcome in *': failed: '*) lab_status=1 ;; esac
      printf '%s\n' "$outcome"
      ;;
  esac
}

# Runs COMMAND, which has cases with a scratch space of their own, beside those that follow; what it prints comes at beside_ends.
lab_beside=()
beside() { # COMMAND [ARG …]
  (
    trap - EXIT
    lab_deferred=()
    lab_status=0
    "$@"
    exit "$lab_status"
  ) >"$LAB_DIR/beside.${#lab_beside[@]}" 2>&1 &
  lab_beside+=("$!")
}

# Waits for all that runs beside.
beside_ends() {
  local index
  for index in "${!lab_beside[@]}"; do
    wait "${lab_beside[index]}" || lab_status=1
    # shellcheck disable=SC2119 # to standard output
    put <"$LAB_DIR/beside.$index"
  done
}

# Called at the head of a suite: without these programs none of it runs. Where the lab is due (LAB_DUE) that is a failure.
needs() { # PROGRAM…
  local program
  for program; do
    command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || {
      if [ -n "${LAB_DUE:-}" ]; then
        printf 'lab: %s: failed: %s is missing\n' "$lab_suite" "$program"
        exit 1
      fi
      printf 'lab: %s: skipped: %s is missing\n' "$lab_suite" "$program"
      exit 0
    }
  done
}

# --- Conditions ---

# Waits until COMMAND succeeds; ends the case when it has not after SECONDS. The longer it waits the more rarely it looks, for in the
# lab kernels a look can cost half a second: it is late by an eighth of the time at most.
wait_for() { # SECONDS WHAT COMMAND [ARG …]
  local limit=$(($1 * lab_stretch)) what=$2 begun waited next
  shift 2
  begun=${EPOCHREALTIME/[.,]/}
  until "$@" >/dev/null 2>&1; do
    waited=$((${EPOCHREALTIME/[.,]/} - begun))
    ((waited < limit * 1000000)) || fail "waited $limit s for $what"
    next=$((waited < 800000 ? 100000 : waited > 8000000 ? 1000000 : waited / 8))
    printf -v next '%d.%06d' $((next / 1000000)) $((next % 1000000))
    pause "$next"
  done
}

# Whether a line of FILE matches an extended regular expression. A grep would be a program to start, in every round of a wait.
says() { # FILE PATTERN
  local lab_lines lab_line
  { mapfile -t lab_lines <"$1"; } 2>/dev/null || return
  for lab_line in ${lab_lines[@]+"${lab_lines[@]}"}; do
    [[ ! $lab_line =~ $2 ]] || return 0
  done
  return 1
}

# shellcheck disable=SC2120 # with FILE in the suites
# Writes standard input to FILE, or to standard output: `cat`, without starting a program.
put() { # [FILE]
  local lab_text
  IFS= read -r -d '' lab_text || true
  case $# in 0) printf '%s' "$lab_text" ;; *) printf '%s' "$lab_text" >"$1" ;; esac
}

# `sleep` without starting a program: this descriptor never has anything to read.
exec {lab_nothing}<> <(:)
pause() { # SECONDS
  read -r -t "$1" -u "$lab_nothing" || true
}

assert_equal() { # EXPECTED ACTUAL WHAT
  [ "$1" = "$2" ] || fail "$3: expected '$1', found '$2'"
}

# --- Network ---

# Makes a network namespace with its loopback up and sets VARIABLE to its name.
netns_add() { # VARIABLE
  local lab_name
  lab_counter=$((lab_counter + 1))
  lab_name=lab-$BASHPID-$lab_counter
  ip netns add "$lab_name"
  defer ip netns delete "$lab_name"
  ip -n "$lab_name" link set lo up
  undetected_addresses "$lab_name"
  printf -v "$1" '%s' "$lab_name"
}

# An address is usable at once: nobody else is on these links.
undetected_addresses() { # NAMESPACE[,NAMESPACE…]
  "$LAB_TOOL" set "$1" net/ipv6/conf/all/accept_dad=0 net/ipv6/conf/default/accept_dad=0
}

in_ns() { # NAMESPACE COMMAND [ARG …]
  "$LAB_TOOL" in "$@"
}

# Joins two namespaces by a veth; ADDRESS has its prefix length.
veth_add() { # NAMESPACE DEVICE ADDRESS NAMESPACE DEVICE ADDRESS
  ip -n "$1" link add "$2" type veth peer name "$5" netns "$4"
  ip -n "$1" address add "$3" dev "$2"
  ip -n "$4" address add "$6" dev "$5"
  ip -n "$1" link set "$2" up
  ip -n "$4" link set "$5" up
}

# Makes NAMESPACE forward, and hide what leaves by DEVICE behind that device's address.
masquerade() { # NAMESPACE DEVICE
  "$LAB_TOOL" set "$1" net/ipv4/ip_forward=1
  # user-mode-linux has no nf_tables for IPv4.
  case ${LAB_KERNEL:-own} in
    uml) in_ns "$1" iptables-legacy -t nat -A POSTROUTING -o "$2" -j MASQUERADE ;;
    *) in_ns "$1" nft "table ip lab { chain nat { type nat hook postrouting priority 100; oifname \"$2\" masquerade; }; }" ;;
  esac
}

# Pings once with each payload size; a single lost packet ends the case. Packets too long for the way may go in pieces.
ping_sizes() { # NAMESPACE ADDRESS SIZE…
  local lost namespace=$1 address=$2
  shift 2
  lost=$("$LAB_TOOL" ping "$namespace" "$address" $((5 * lab_stretch)) "$@") || fail "ping $address with $lost"
}

# Sends MEGABYTES of random octets over TCP and compares what arrived.
tcp_copy() { # SENDER-NAMESPACE RECEIVER-NAMESPACE RECEIVER-ADDRESS PORT MEGABYTES
  local lost
  lost=$("$LAB_TOOL" tcp "$@" $((30 * lab_stretch))) || fail "TCP to $3:$4, $5 MB: $lost"
}

listening() { # NAMESPACE PORT
  [ -n "$(in_ns "$1" ss -H -t -l -n "sport = :$2")" ]
}

# --- Kernel SAs ---

# Packets that the SAs towards ADDRESS have carried.
esp_packets() { # NAMESPACE ADDRESS
  ip -n "$1" -s xfrm state list dst "$2" | awk '/lifetime current:/ { getline; sub(/\(bytes\),/, ""); n += $2 } END { print n + 0 }'
}

# Packets and octets that the SAs from SOURCE to TARGET have carried: two numbers.
esp_traffic() { # NAMESPACE SOURCE TARGET
  ip -n "$1" -s xfrm state list src "$2" dst "$3" | awk '
    /lifetime current:/ { getline; sub(/\(bytes\),/, "", $1); octets += $1; packets += $2 }
    END { print packets + 0, octets + 0 }'
}

sa_count() { # NAMESPACE
  local counted
  counted=$(ip -n "$1" xfrm state count 2>/dev/null || true)
  [[ $counted =~ SAD\ count\ ([0-9]+) ]] && echo "${BASH_REMATCH[1]}" || echo 0
}

no_sas() { # NAMESPACE
  [[ ! $(ip -n "$1" xfrm state count 2>/dev/null) =~ SAD\ count\ [1-9] ]]
}

# --- Processes ---

# Starts COMMAND in the background and sets VARIABLE to its process; its output goes to LOG. It reads the file lab_input, where
# that is set.
spawn() { # VARIABLE LOG COMMAND [ARG …]
  local lab_variable=$1 lab_log=$2
  shift 2
  case $1 in
    in_ns)
      shift
      set -- "$LAB_TOOL" in "$@" # so that the process number is the command's own
      ;;
  esac
  # Here and not only in the background, or whoever waits for a line would find an earlier process's.
  : >"$lab_log"
  "$@" >"$lab_log" 2>&1 <"${lab_input:-/dev/null}" &
  printf -v "$lab_variable" '%s' "$!"
  defer stop_process "$!"
}

# Called in every loop that waits: under user-mode-linux a program like ps takes 100 ms to start.
process_gone() { # PROCESS
  local state
  { read -r state <"/proc/$1/stat"; } 2>/dev/null || return 0
  # Behind the name, which may have anything in it. A zombie still has its number: only its parent can bury it.
  [[ ${state##*) } == Z* ]]
}

# Ends a process by TERM, or by KILL when it is still there after ten seconds.
stop_process() { # PROCESS
  local deadline=$((SECONDS + 10 * lab_stretch))
  kill "$1" 2>/dev/null || return 0
  until process_gone "$1"; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      kill -KILL "$1" 2>/dev/null || true
      break
    fi
    pause 0.02
  done
  wait "$1" 2>/dev/null || true
}

# Captures on DEVICE into FILE; the capture has begun when this returns. End it with stop_process. A device through which
# ESP comes in also shows each packet after its decryption: to see what was on the wire, capture in a namespace between.
# Without the immediate mode the last second before the end would be missing.
capture_start() { # VARIABLE NAMESPACE DEVICE FILE [FILTER …]
  local lab_variable=$1 lab_namespace=$2 lab_device=$3 lab_file=$4
  shift 4
  spawn "$lab_variable" "$lab_file.log" in_ns "$lab_namespace" tcpdump -Z root --immediate-mode -U -n -i "$lab_device" -w "$lab_file" "$@"
  wait_for 10 "tcpdump on $lab_device" says "$lab_file.log" 'listening on'
}

# --- Certificates ---

# Makes FOLDER/NAME.crt and FOLDER/NAME.key of a certification authority.
certificate_authority() { # FOLDER NAME
  mkdir -p "$1"
  openssl_request "$1" "$2" -days 30 \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign'
}

# Makes FOLDER/NAME.crt and FOLDER/NAME.key, signed by the authority CA of the same folder. The subject is CN=NAME, and the key
# RSA of 2048 bits unless an option of `openssl req` says another.
certificate() { # FOLDER CA NAME SUBJECT-ALTERNATIVE-NAME EXTENDED-KEY-USAGE [OPTION…]
  openssl_request "$1" "$3" -days 20 -CA "$1/$2.crt" -CAkey "$1/$2.key" \
    -addext 'basicConstraints=critical,CA:FALSE' -addext 'keyUsage=critical,digitalSignature' \
    -addext "subjectAltName=$4" -addext "extendedKeyUsage=$5" "${@:6}"
}

openssl_request() { # FOLDER NAME OPTION…
  local folder=$1 name=$2
  shift 2
  openssl req -x509 -newkey rsa:2048 -noenc -keyout "$folder/$name.key" -out "$folder/$name.crt" -subj "/CN=$name" "$@" \
    2>"$folder/$name.log" || fail "openssl made no certificate for $name: $(tail -n 1 "$folder/$name.log")"
}
