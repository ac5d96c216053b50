#!/bin/bash
# kernel: debian
# limit: 600
# takes: 40
# Of the cases of xfrm/tests/kernel those that need nf_tables or xfrm interfaces, and those that count every packet while SAs are
# exchanged, under this kernel too.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../rust.sh
. "$(dirname "$0")/../rust.sh"
needs ip nft

kernel_cases firewall interface a_rekey_loses a_move_leaves
