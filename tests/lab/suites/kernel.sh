#!/bin/bash
# kernel: debian
# limit: 600
# takes: 110
# The cases of xfrm/tests/kernel, which on most machines lack what they need: the same program, with real ESP, xfrm
# interfaces and nf_tables. The runner counts a case once, wherever it ran.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
needs ip nft

status=0
"$IRONFLEX_KERNEL_TESTS" >"$LAB_DIR/tests.log" 2>&1 || status=$?
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
cat "$LAB_DIR/outcomes"
