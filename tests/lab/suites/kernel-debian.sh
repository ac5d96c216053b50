#!/bin/bash
# kernel: debian
# limit: 600
# takes: 45
# processors: 2
# Of the cases of xfrm/tests/kernel those that need nf_tables or xfrm interfaces; and those in which SAs are exchanged while packets
# pass, for here that happens on two processors.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../rust.sh
. "$(dirname "$0")/../rust.sh"
needs ip nft

kernel_cases firewall interface a_rekey_loses a_move_leaves
