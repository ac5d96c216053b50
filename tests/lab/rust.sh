# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of lib.sh
# Sourced after lib.sh by the suites kernel and kernel-debian: the cases of xfrm/tests/kernel, which on most machines lack what they
# need, with real ESP.

kernel_cases() { # [PART-OF-A-NAME…]
  local status=0 name outcome reason part
  for part; do
    [ -n "$("$IRONFLEX_KERNEL_TESTS" --list "$part")" ] || {
      lab_status=1
      printf 'lab: %s: failed: no case has %s in its name\n' "$lab_suite" "$part"
    }
  done
  "$IRONFLEX_KERNEL_TESTS" "$@" >"$LAB_DIR/tests.log" 2>&1 || status=$?
  while read -r _ name _ outcome reason; do
    case $outcome in
      ok) printf 'lab: kernel/%s: ok\n' "$name" ;;
      ignored,) printf 'lab: kernel/%s: skipped: %s\n' "$name" "$reason" ;;
      *)
        lab_status=1
        printf 'lab: kernel/%s: failed: see above\n' "$name"
        ;;
    esac
  done < <(grep '^test .* \.\.\. ' "$LAB_DIR/tests.log") >"$LAB_DIR/outcomes"
  if [ "$status" != 0 ]; then
    lab_status=1
    sed 's/^/  | /' "$LAB_DIR/tests.log"
  fi
  put <"$LAB_DIR/outcomes"
}
