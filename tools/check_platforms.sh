#!/bin/sh
# Builds fanin for aarch64 and wasm32 and checks there that every pinned bit is right.
#
# usage: tools/check_platforms.sh [aarch64] [wasm32]      (both without an argument)
#
# Neither target's standard library needs to be installed: it is built from source with the distribution's compiler.
# On Debian 12 these packages are enough:
#
#   rustc-web cargo-web rust-web-src lld-22                      compiler, its library's source, linker for wasm32
#   gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user        linker and emulator for aarch64
#   nodejs                                                       runs the wasm32 module
#
# RUSTC and CARGO may name another toolchain whose sysroot holds the library's source (lib/rustlib/src/rust).
set -eu
cd "$(dirname "$0")/.."

export RUSTC="${RUSTC:-/usr/bin/rustc}"
CARGO="${CARGO:-/usr/bin/cargo}"
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/platforms"
export CARGO_TARGET_DIR
# Building the standard library is an unstable option; this lets the stable compiler take it.
export RUSTC_BOOTSTRAP=1

for program in "$RUSTC" "$CARGO"; do
    if ! command -v "$program" >/dev/null; then
        echo "$program is missing; the head of this script lists the packages" >&2
        exit 2
    fi
done
if [ ! -d "$("$RUSTC" --print sysroot)/lib/rustlib/src/rust/library" ]; then
    echo "the standard library's source is missing from $("$RUSTC" --print sysroot); install rust-web-src" >&2
    exit 2
fi

aarch64() {
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu" \
        "$CARGO" test --release -p fanin --test bits \
        -Zbuild-std=std,panic_unwind --target aarch64-unknown-linux-gnu
}

wasm32() {
    linker="$(command -v rust-lld || command -v wasm-ld-22 || echo rust-lld)"
    # Nothing here asks for random numbers of the system, which this target has none of.
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS='--cfg getrandom_backend="unsupported"' \
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker" \
        "$CARGO" build --release -p fanin --example bits --no-default-features \
        -Zbuild-std=std,panic_abort --target wasm32-unknown-unknown
    node tools/bits.mjs "$CARGO_TARGET_DIR/wasm32-unknown-unknown/release/examples/bits.wasm"
}

for target in "${@:-aarch64 wasm32}"; do
    for one in $target; do
        case "$one" in
        aarch64 | wasm32) "$one" ;;
        *)
            echo "unknown target '$one'; known are aarch64 and wasm32" >&2
            exit 2
            ;;
        esac
    done
done
