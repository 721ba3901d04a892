#!/bin/sh
# TestU01 over the raw stream of one tensor and over the streams of two tensors taken in turn, plain and bit-reversed.
#
# usage: tools/testu01.sh [small|crush|big] [FOLDER for the reports]
#
# Needs Debian's libtestu01-0-dev (section non-free) and a C compiler. Small takes a minute, crush an hour or two, big
# half a day. A perfect generator gives some statistic outside [0.001, 0.999] with probability 0.002 times their number
# (SmallCrush 15, Crush 144, BigCrush 160); a failure is a p-value like 1e-10, or one that comes back with another seed.
set -eu
cd "$(dirname "$0")/.."
battery="${1:-small}"
folder="${2:-${CARGO_TARGET_DIR:-target}/testu01}"
mkdir -p "$folder"

cargo build --release -p fanin --example words
words="${CARGO_TARGET_DIR:-target}/release/examples/words"
cc -O2 -o "$folder/testu01" tools/testu01.c -ltestu01 -ltestu01probdist -ltestu01mylib -lm

run() {
    report="$folder/$battery-$1.txt"
    order="$2"
    shift 2
    # shellcheck disable=SC2086 # nothing, or one word
    "$words" "$@" 2>/dev/null | "$folder/testu01" "$battery" $order >"$report" || true
    echo "$report: $(tail -n 1 "$report")"
    grep -A 12 "The following tests gave p-values" "$report" || true
}

run one "" 0 layers.0.weight
run one-reversed reversed 0 layers.0.weight
run two "" 0 layers.0.weight layers.1.weight
run two-reversed reversed 0 layers.0.weight layers.1.weight
