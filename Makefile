# What a person or CI runs here; `make` alone lists it.
.PHONY: help demo test soak sim sim-proof fuzz fuzz-proof lint fmt bench rfc deb

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: ## headend, client, login, traffic and show output in namespaces of their own, under a minute after the build
	cargo run --release --locked -- demo

test: ## format, lints, all tests, the lab with real ESP; as root it installs the Debian packages that it needs
	tests/run

sim: ## the IKEv2 simulator over SEEDS=N fresh seeds (FIRST=S for the same again); a failing one is printed
	cargo run --release --locked -q -p ironflex-ikev2 --example sim -- --seeds $(or $(SEEDS),5000) $(if $(FIRST),--first $(FIRST))

sim-proof: ## the simulator finds each fault that is planted in a copy of the sources, within SEEDS=N seeds (10000)
	ikev2/tests/sim/prove $(or $(SEEDS),10000) $(FAULTS)

fuzz: ## every fuzz target for SECONDS=N (60) from its committed corpus; a finding is named (docs/fuzzing.md)
	fuzz/run $(or $(SECONDS),60) $(TARGETS)

fuzz-proof: ## every fuzz target finds a fault that is planted in a copy of the sources, within SECONDS=N (120)
	fuzz/run prove $(or $(SECONDS),120) $(TARGETS)

soak: ## rekeyings of both kinds from both ends under load for SECONDS=N (600) in qemu; nothing may be lost
	tests/lab/soak $(or $(SECONDS),600)

lint: ## format, lints, documentation, licences and sources of the dependencies
	tests/run fmt clippy
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --document-private-items
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --locked check licenses bans sources
	@command -v shellcheck >/dev/null || echo 'make lint: SKIPPED: shellcheck is not installed, so nobody looked at the shell scripts' >&2
	! command -v shellcheck >/dev/null || shellcheck -x tests/run fuzz/run tests/lab/install tests/lab/probe tests/lab/soak tests/lab/libreswan-updown tests/lab/with-* ikev2/tests/sim/prove tests/lab/*.sh tests/lab/suites/*.sh

fmt: ## format the code
	cargo fmt --all

bench: ## the figures, each beside its floor or peer of the same run; also in target/bench.json
	cargo bench --locked --bench headend

deb: ## the Debian package, with the systemd unit, manual pages and the shells' completion: target/release/ironflex_*.deb
	cargo build --release --locked --bin ironflex --example manual
	packaging/deb

rfc: ## docs/rfc.md anew: what the RFCs require, the code that obeys and the test that shows it, or why not
	cargo run --locked -q -p ironflex-rfc -- table
