# shellcheck shell=bash
# Sourced by the with-*-kernel commands and by install: what they have in common.
#
# Every with-*-kernel command is called as
#
#   with-…-kernel [-m MEGABYTES] [-t SECONDS] [-e NAME[=VALUE]]… COMMAND [ARG …]
#
# and runs COMMAND as root in the current directory, on the machine's own file tree, in an environment of PATH, HOME and
# what -e names (and LAB_TOOL, see tool.c). Standard input is empty; COMMAND's standard output and error both come out on standard output. The exit
# status is COMMAND's own; 124 says that it ran past -t, 125 that it never started, 2 that the call was wrong.
# Inside, /run is empty and in memory (LAB_KERNEL tells which kernel it is: own, uml or debian), and so is TMPDIR.

# Where install puts the unpacked Debian kernel. The number grows with every change to what it writes there.
# shellcheck disable=SC2034
kernel_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ironflex-lab/debian-kernel-1
# Where it unpacks libreswan.
# shellcheck disable=SC2034
libreswan_cache=$(dirname "$kernel_cache")/libreswan-1

# Sets memory (MEGABYTES), limit (SECONDS), environment (an array of NAME=VALUE) and command from the arguments.
kernel_arguments() {
  local option
  memory=$1 limit=$2 environment=()
  shift 2
  while getopts m:t:e: option; do
    case $option in
      m) memory=$OPTARG ;;
      t) limit=$OPTARG ;;
      e)
        case $OPTARG in
          *=*) environment+=("$OPTARG") ;;
          *) [ -z "${!OPTARG+set}" ] || environment+=("$OPTARG=${!OPTARG}") ;;
        esac
        ;;
      *) kernel_usage ;;
    esac
  done
  shift $((OPTIND - 1))
  [ $# -gt 0 ] || kernel_usage
  command=("$@")
  kernel_tool
}

kernel_usage() {
  echo "usage: $0 [-m MEGABYTES] [-t SECONDS] [-e NAME[=VALUE]]… COMMAND [ARG …]" >&2
  exit 2
}

# Refuses to start without the tools named.
kernel_needs() {
  local tool
  for tool; do
    command -v "$tool" >/dev/null || {
      echo "$0: $tool is missing: run tests/lab/install" >&2
      exit 125
    }
  done
}

# What a fresh /dev of a virtual machine lacks.
kernel_devices() {
  cat <<'DEVICES'
ln -sfn /proc/self/fd /dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do ln -sfn /proc/self/fd/${stream%:*} /dev/${stream#*:}; done
mkdir -p /dev/shm /dev/pts /dev/net
mount -t tmpfs shm /dev/shm
mount -t devpts devpts /dev/pts
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
DEVICES
}

# Sets LAB_TOOL to the program made of tool.c, which is made anew only when that has changed.
kernel_tool() {
  local here=${BASH_SOURCE[0]%/*} made
  kernel_needs cc
  LAB_TOOL=$(dirname "$kernel_cache")/tool-$(cksum <"$here/tool.c" | tr ' ' -)
  [ ! -e "$LAB_TOOL" ] || return 0
  mkdir -p "${LAB_TOOL%/*}"
  made=$(mktemp "$LAB_TOOL.XXXXXX")
  if ! cc -O2 -static -o "$made" "$here/tool.c" >&2; then
    rm -f "$made"
    echo "$0: cc did not make tests/lab/tool.c" >&2
    exit 125
  fi
  chmod 755 "$made"
  mv "$made" "$LAB_TOOL"
}

# The end of every script that runs inside: environment, folder, command, and its exit status into the file $1.
kernel_script() { # STATUS-FILE KERNEL-NAME
  local pair
  printf 'export PATH=%q HOME=%q TMPDIR=/run/lab/tmp LAB_KERNEL=%q LAB_TOOL=%q\n' "$PATH" "${HOME:-/root}" "$2" "$LAB_TOOL"
  for pair in ${environment[@]+"${environment[@]}"}; do printf 'export %q\n' "$pair"; done
  printf 'mkdir -p /run/lab/tmp /run/netns\n'
  printf 'ip link set lo up\n'
  printf 'cd %q || exit\n' "$PWD"
  printf 'echo; echo lab-begin\n'
  printf '%q ' "${command[@]}"
  printf '</dev/null 2>&1\necho $? >%q\necho lab-end\n' "$1"
}

# Sets the array pinned to the words in front of a command that has it stay on one of the processors that this process may use: the
# one that LAB_PROCESSOR, any number, chooses.
kernel_pinned() {
  local processors part
  pinned=()
  command -v taskset >/dev/null || return 0
  processors=()
  for part in $(sed -n 's/^Cpus_allowed_list:[[:blank:]]*//p' /proc/self/status | tr , ' '); do
    mapfile -t -O ${#processors[@]} processors < <(seq "${part%-*}" "${part#*-}")
  done
  pinned=(taskset -c "${processors[${LAB_PROCESSOR:-$$} % ${#processors[@]}]}")
}

# Runs the given machine for $limit seconds, shows of its console what stands between the two marks, and exits as the
# command inside did.
kernel_run() { # STATUS-FILE MACHINE [ARG …]
  local status_file=$1 console filter machine
  shift
  exec {console}> >(exec sed -u -e 's/\r*$//' -e '0,/^lab-begin$/d' -e '/^lab-end$/,$d')
  filter=$!
  timeout -k 5 "$limit" "$@" </dev/null 1>&"$console" 2>/dev/null &
  machine=$!
  exec {console}>&-
  # timeout has left our process group, so a keyboard's interrupt must be handed on.
  trap 'kill "$machine" 2>/dev/null' INT TERM HUP
  local ended=0
  wait "$machine" || ended=$?
  wait "$filter" || true
  # 124 and 137 are timeout's own; the command inside may have had its signal too and left a status of it.
  case $ended in 124 | 137) exit 124 ;; esac
  [ -s "$status_file" ] || exit 125
  exit "$(cat "$status_file")"
}
