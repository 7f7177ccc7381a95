# Every habit by name. `just` lists them.

_list:
    @just --list --unsorted

# Show it all on this machine: four organisations, two gateways, real devices.
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# All tests, as in the README.
test *ARGS:
    cargo test --release {{ARGS}}

# What CI runs; do it before you propose a change.
pre-pr:
    bash .ci/run

# Format everything.
fmt:
    cargo fmt --all

# Lints, warnings are errors.
lint:
    cargo clippy --release --workspace --all-targets -- -D warnings

# Logins and transactions per second on this machine, and what computing costs beside SEAL, as JSON.
bench:
    cargo run --release -- bench ledger --json
    cargo run --release -- bench login --devices 2000 --json
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/pip install -q tenseal==0.3.18
    cargo run --release -- bench compute --python .venv/bin/python --json

# Fuzz one decoder (needs cargo-fuzz and a nightly toolchain): just fuzz transaction 60
fuzz TARGET SECONDS="60":
    cd fuzz && cargo +nightly fuzz run {{TARGET}} -- -max_total_time={{SECONDS}}

# Our TLS against OpenSSL 4 and Tongsuo, built from source (10 minutes the first time); records what went over the wire.
tls-peers:
    cd interop/tls-peers && cargo run --release

# The long searches that CI runs in short form: many simulation seeds, many hostile bytes; and BFV held against SEAL.
nightly:
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/pip install -q tenseal==0.3.18
    SEALWIRE_PYTHON="{{justfile_directory()}}/.venv/bin/python" SEALWIRE_REQUIRE_TENSEAL=1 \
    SEALWIRE_SEEDS=200 SEALWIRE_MUTATIONS=1000000 cargo test --release

# The Python module as a wheel for CPython 3.9 and later, in target/wheels (needs python3).
wheel:
    [ -x .venv/bin/python ] || python3 -m venv .venv
    [ -x .venv/bin/maturin ] || .venv/bin/pip install -q maturin==1.16.0
    .venv/bin/maturin build --release --locked -m crates/python/Cargo.toml -o target/wheels

# The C library, libsealwire_capi.so and .a in target/release; its header is crates/capi/include/sealwire.h.
capi:
    cargo build --release --locked -p sealwire-capi

# The console's pages: types, lint, unit tests, build into crates/console/assets (needs Node 20.19).
console-web:
    cd crates/console/web && npm ci && npm run check

# The console in a browser, with the demo of the release build (needs Node and Chromium).
console-e2e:
    cargo build --release --locked
    cd crates/console/web && npm run e2e

# Documentation of all crates.
doc:
    cargo doc --release --workspace --no-deps --open
