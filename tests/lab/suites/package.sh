#!/bin/bash
# kernel: any
# limit: 600
# takes: 50
# The Debian package, from its installation to its purge, on an overlay of this machine's tree with a systemd of its own: the unit as systemd
# judges it and as it runs, a login, a kill, an upgrade.
# shellcheck disable=SC2015,SC2016,SC2119,SC2143,SC2154 # variables are set by name, by network and spawn; grep -q would end a pipe early
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../ironflex.sh
. "$(dirname "$0")/../ironflex.sh"
# shellcheck source-path=SCRIPTDIR source=../machine.sh
. "$(dirname "$0")/../machine.sh"
needs dpkg systemd-analyze nsenter openssl fish zsh

# What Tab makes of these words behind `ironflex`, by the completion that is installed.
completed() {
  # shellcheck disable=SC2016
  in_machine bash -c 'source /usr/share/bash-completion/completions/ironflex
    COMP_WORDS=(ironflex "$@")
    COMP_CWORD=$#
    _ironflex_or_exec ironflex "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
    echo "${COMPREPLY[@]}"' bash "$@"
}

# The same in fish.
completed_by_fish() {
  # shellcheck disable=SC2016
  in_machine fish --no-config -c 'source /usr/share/fish/vendor_completions.d/ironflex.fish; complete -C "$argv[1]"' "ironflex $*"
}

# The line that Tab makes of another in zsh, which completes at a terminal alone.
completed_by_zsh() {
  # shellcheck disable=SC2016
  in_machine timeout 20 zsh -f -c 'zmodload zsh/zpty
    zpty shell TERM=dumb zsh -f -i
    zpty -w shell "PROMPT=; fpath=(/usr/share/zsh/vendor-completions \$fpath); autoload -Uz compinit; compinit -D -u; echo re\"\"ady"
    zpty -r -m shell said "*ready*"
    zpty -w -n shell "$1"$'"'\t'"'
    zpty -r -m shell said "*$2*" && echo "$2"
    zpty -d shell' zsh "ironflex $1" "$2"
}

package_is_installed() {
  in_machine dpkg -i /ironflex.deb
  in_machine getent passwd ironflex
  assert_equal "750 ironflex ironflex" "$(in_machine stat -c '%a %U %G' /etc/ironflex)" "the configuration's folder"
  # The manual's pages and the shells' completions are there, and say something.
  [ -n "$(in_machine gzip -dc /usr/share/man/man7/ironflex-commands.7.gz | grep 'show crypto session')" ] ||
    fail "the manual lacks the commands"
  [ -n "$(in_machine gzip -dc /usr/share/man/man5/ironflex-config.5.gz | grep 'crypto ikev2 profile WORD')" ] ||
    fail "the manual lacks the lines of the configuration"
  in_machine test -f /usr/share/man/man1/ironflex-support-bundle.1.gz || fail "the manual lacks a subcommand"
  bash -n "$installed/usr/share/bash-completion/completions/ironflex"
  assert_equal "detailed" "$(completed exec show crypto ikev2 sa d)" "what Tab makes of a command's word"
  assert_equal $'detailed\tShows ikev2 SAs in detail' "$(completed_by_fish exec show crypto ikev2 sa d)" "what fish makes of a command's word"
  assert_equal "sa detailed" "$(completed_by_zsh 'exec show crypto ikev2 sa d' 'sa detailed')" "what zsh makes of a command's word"
  assert_equal "support-bundle" "$(completed sup)" "what Tab makes of another"
  assert_equal "doctor" "$(completed doc)" "what Tab makes of a subcommand"
  assert_equal "ironflex $(dpkg-deb -f "$IRONFLEX_PACKAGE" Version)" "$(in_machine ironflex --version)" "the program installed"
  # Nothing is started, nor would be at the next boot; and without a configuration there is nothing to start.
  unit_has LoadState=loaded UnitFileState=disabled ActiveState=inactive
  in_machine systemctl start ironflex
  unit_has ConditionResult=no ActiveState=inactive
}

unit_is_sound() {
  in_machine systemd-analyze verify --man=no ironflex.service
  # 3.0 of 10, the exposure that systemd calls OK, is not to be exceeded.
  in_machine systemd-analyze security --offline=yes --threshold=30 --no-pager ironflex.service >"$LAB_DIR/security"
  tell "$(tail -n 1 "$LAB_DIR/security" | tr -cd '[:print:]')"
}

# Another start would come to the same: there is none.
a_refused_configuration_ends_the_restarts() {
  echo 'no such line' >"$installed/startup-config"
  in_machine install -o ironflex -g ironflex -m 640 /startup-config /etc/ironflex/
  if in_machine systemctl start ironflex; then fail "a headend starts without a configuration"; fi
  wait_for 40 "the end of the unit" unit_gave_up
  logged info 'startup-config:1:4: error: unknown command `such`' || fail "the journal does not say why: $(cat "$LAB_DIR/journal")"
  # Its own exit status: what only died is started again.
  [ "$(in_machine systemctl show -P ExecMainStatus ironflex)" = 78 ] || fail "it ends with another status"
  [ "$(in_machine systemctl show -P NRestarts ironflex)" = 0 ] || fail "it was started again"
}

unit_gave_up() {
  [ "$(in_machine systemctl is-failed ironflex)" = failed ]
}

# The configuration is put where docs/operating.md says.
unit_runs_as_its_user() {
  headend_configure 'esp-gcm 256' 'encryption aes-gcm-256' 'prf sha256' 'group 19' <<<$'interface GigabitEthernet1\n device outside'
  cp "$LAB_DIR/headend/headend.conf" "$installed/startup-config"
  cp "$LAB_DIR/headend/IKEv2-TP.p12" "$installed/"
  in_machine install -o ironflex -g ironflex -m 640 /startup-config /IKEv2-TP.p12 /etc/ironflex/
  # Type=notify: this returns when the headend has said that it serves.
  in_machine systemctl enable --now ironflex
  unit_has UnitFileState=enabled ActiveState=active SubState=running NRestarts=0 Restart=on-failure WatchdogUSec=30s
  settled_state "$LAB_DIR/settled"
  confined
  private
}

# The process is what the unit says: its user in no further group, three capabilities, no way to more, a filter of system calls, a system
# that it cannot write to.
confined() {
  local process status line
  unit_process process ironflex.service
  mapfile -t status <"/proc/$process/status"
  printf -v status '%s\n' "${status[@]}"
  for line in Uid:$'\t'"$user"$'\t'"$user"$'\t'"$user"$'\t'"$user" Groups:$'\t'"$group " NoNewPrivs:$'\t'1 Seccomp:$'\t'2 \
    Cap{Inh,Prm,Eff,Bnd,Amb}:$'\t'0000000000003400; do
    [[ $status == *$'\n'"$line"$'\n'* ]] || fail "the process has no '$line' in its status: $status"
  done
  assert_equal ro "$(mounted_as "$process" /)" "the process's root"
  assert_equal rw "$(mounted_as "$process" /etc/ironflex)" "the configuration's folder"
  assert_equal rw "$(mounted_as "$process" /var/lib/ironflex)" "the state folder"
}

# How PROCESS has FOLDER mounted: ro or rw.
mounted_as() { # PROCESS FOLDER
  awk -v folder="$2" '$2 == folder { said = substr($4, 1, 2) } END { print said }' "/proc/$1/mounts"
}

# Keys and the control socket are its user's alone: not even his group's.
private() {
  local others
  find "$installed/var/lib/ironflex" -printf '%y %m %U %P\n' >"$LAB_DIR/state"
  cat "$LAB_DIR/state"
  says "$LAB_DIR/state" "^d 700 $user \$" && says "$LAB_DIR/state" "^s 600 $user control\$" && says "$LAB_DIR/state" "^f 600 $user .*key" ||
    fail "the state folder is not as expected"
  others=$(grep -v -E "^(d 700|[fs] 600) $user " "$LAB_DIR/state" || true)
  assert_equal "" "$others" "what others may touch of the state folder"
  if in_machine setpriv --reuid nobody --regid ironflex --clear-groups ironflex exec show version >"$LAB_DIR/refused" 2>&1; then
    fail "another user of the group was let in"
  fi
  says "$LAB_DIR/refused" 'ermission denied' || fail "another user is told: $(cat "$LAB_DIR/refused")"
}

# A command on the headend as its own user, who is no other than the one that may.
ask_headend() { # WORD…
  in_machine setpriv --reuid ironflex --regid ironflex --clear-groups ironflex "$@"
}

serves_and_is_started_again_after_a_kill() {
  login
  tells_its_own_user
  cleared_after_a_kill
  # The secret has outlived the kill: the client is told that nobody knows its session.
  wait_for 30 "the client's end" process_gone "$client_process"
  says "$LAB_DIR/client.log" 'does not know the session any more' || fail "the client says: $(tail -n 1 "$LAB_DIR/client.log")"
}

login() {
  client_start kernel
  ping_sizes "$client" 10.0.0.1 0
  ping_sizes "$client" $server_address 56 1300
  ping_sizes "$server" $client_address 56
  assert_equal 2 "$(sa_count "$headend")" "SAs in the headend's kernel"
}

# What is asked of the headend as its user, what it has written for the journal and for its next start.
tells_its_own_user() {
  ask_headend exec show crypto session detail >"$LAB_DIR/session"
  cat "$LAB_DIR/session"
  says "$LAB_DIR/session" 'Session status: UP-ACTIVE' && says "$LAB_DIR/session" "IPSEC FLOW: .* host $client_address" || fail "no session is shown"
  ask_headend metrics >"$LAB_DIR/metrics"
  says "$LAB_DIR/metrics" '^ironflex_sessions 1$' || fail "the metrics do not know the session"
  # With the priority of IOS-XE's mnemonic, and without a time of its own beside the journal's.
  wait_for 10 "the journal" logged notice '^%CRYPTO-5-IKEV2_SESSION_STATUS: .*UP'
  # The service writes its configuration from within its sandbox.
  ask_headend exec 'configure terminal' 'hostname packaged' 'end' 'write memory'
  assert_equal "640 $user" "$(stat -c '%a %u' "$installed/etc/ironflex/startup-config")" "the configuration's mode and owner"
}

# Whether the journal has of the unit, with this priority, what matches.
logged() { # PRIORITY PATTERN
  in_machine journalctl -u ironflex -o cat -p "$1..$1" >"$LAB_DIR/journal"
  says "$LAB_DIR/journal" "$2"
}

# A kill leaves SAs, devices and routes; systemd starts the headend again, which clears them away.
cleared_after_a_kill() {
  local killed
  unit_process killed ironflex.service
  kill -KILL "$killed"
  wait_for 20 "another start" started_anew "$killed"
  unit_has NRestarts=1
  wait_for 10 "what was left to be cleared away" settled
  written_is_read
}

# Whether the unit serves, with another process.
started_anew() { # PROCESS
  local process
  unit_process process ironflex.service
  [ -n "$process" ] && [ "$process" != "$1" ] && [ "$(in_machine systemctl is-active ironflex)" = active ]
}

# Whether the headend's network is as after its first start.
settled() {
  settled_state "$LAB_DIR/settled-again"
  cmp -s "$LAB_DIR/settled" "$LAB_DIR/settled-again"
}

# The start has read what `write memory` wrote.
written_is_read() {
  assert_equal "hostname packaged" "$(ask_headend exec 'show running-config | include hostname')" "what was written before"
}

upgrade_restarts_what_runs() {
  local before
  unit_process before ironflex.service
  in_machine dpkg -i /ironflex.deb
  started_anew "$before" || fail "the upgrade did not restart the headend"
  unit_has UnitFileState=enabled ActiveState=active
  written_is_read
  # Changes are made while it runs: there is nothing to reload.
  unit_has CanReload=no
}

# The removal of a headend that serves stops it: the client is told, and nothing is left in the network or of the package. What an
# administrator and the headend have written stays.
removal_stops_it_without_a_trace() {
  local process
  in_machine systemctl log-level debug
  login
  unit_process process ironflex.service
  wait_for 20 "a sign of life" logged debug 'Got notification message .*WATCHDOG=1'
  in_machine dpkg -L ironflex >"$LAB_DIR/files"
  in_machine dpkg -r ironflex
  process_gone "$process" || fail "the headend runs after its removal"
  wait_for 10 "the client's end" process_gone "$client_process"
  says "$LAB_DIR/client.log" 'the headend ended the session' || fail "the client says: $(tail -n 1 "$LAB_DIR/client.log")"
  assert_network_back "$headend" headend "after the removal"
  wait_for 10 "STOPPING=1" logged debug 'Got notification message .*STOPPING=1'
  wait_for 10 "a good end" logged info 'ironflex.service: Deactivated successfully'
  unit_has LoadState=not-found ActiveState=inactive
  assert_equal /etc/ironflex "$(left_of_the_package)" "what is left of the package"
  [ -z "$(find "$installed/etc/systemd/system" -name 'ironflex*')" ] || fail "the unit is enabled after the removal"
  [ ! -e "$installed/var/lib/ironflex/control" ] || fail "the control socket is there after the removal"
  [ -e "$installed/etc/ironflex/startup-config" ] && [ -e "$installed/var/lib/ironflex/qcd-secret" ] || fail "the removal took what was written"
}

# What is there of the package's own files and folders, without those that others have too.
left_of_the_package() {
  local path
  while read -r path; do
    case $path in *ironflex*) [ ! -e "$installed$path" ] || echo "$path" ;; esac
  done <"$LAB_DIR/files"
}

purge_leaves_nothing() {
  in_machine dpkg -P ironflex
  assert_equal "" "$(left_of_the_package)" "what is left of the package"
  [ ! -e "$installed/var/lib/ironflex" ] || fail "the state folder is there after the purge"
  if in_machine dpkg-query -s ironflex; then fail "dpkg knows the package after the purge"; fi
}

# What systemd says of the unit has all these lines.
unit_has() { # PROPERTY=VALUE…
  local shown wanted
  shown=$(in_machine systemctl show ironflex)
  for wanted; do
    grep -qxF "$wanted" <<<"$shown" || fail "the unit is not $wanted: $(grep "^${wanted%%=*}=" <<<"$shown")"
  done
}

# The headend's user and group, once the package is there.
headend_user() {
  IFS=: read -r _ _ user group _ < <(grep ^ironflex: "$installed/etc/passwd") || true
}

headend_prepare
network routed
machine_tree
cp "$IRONFLEX_PACKAGE" "$installed/ironflex.deb"
machine_start "$headend"
lab_case systemd-boots machine_boots
remember_network "$headend" headend
lab_case package-is-installed package_is_installed
IRONFLEX=$installed/usr/bin/ironflex
headend_user
lab_case unit-is-sound unit_is_sound
lab_case a-refused-configuration-ends-the-restarts a_refused_configuration_ends_the_restarts
lab_case unit-runs-as-its-user unit_runs_as_its_user
lab_case serves-and-is-started-again-after-a-kill serves_and_is_started_again_after_a_kill
lab_case upgrade-restarts-what-runs upgrade_restarts_what_runs
lab_case removal-stops-it-without-a-trace removal_stops_it_without_a_trace
lab_case purge-leaves-nothing purge_leaves_nothing
