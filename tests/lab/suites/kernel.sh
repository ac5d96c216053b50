#!/bin/bash
# kernel: any
# limit: 600
# takes: 45
# The cases of xfrm/tests/kernel. What this kernel lacks for one of them, kernel-debian has.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../rust.sh
. "$(dirname "$0")/../rust.sh"
needs ip

# shellcheck disable=SC2119 # all of them
kernel_cases
