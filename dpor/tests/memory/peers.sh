#!/usr/bin/env bash
# Make golden/peers.txt again: how many executions GenMC and Nidhugg need for the shapes of litmus.rs. Not part of CI. `bench/peers/run` builds the two.
set -euo pipefail
cd "$(dirname "$0")"
peers=$PWD/../../../target/peers
export PATH=/usr/lib/llvm-${LLVM:-14}/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LITMUS=$work cargo test -q -p dpor --test memory -- --ignored write_programs_with_threads >&2

# count COMMAND...: complete executions.
count() {
    "$@" >"$work/said" 2>&1 && grep -q 'No errors were detected' "$work/said" || { cat "$work/said" >&2; exit 1; }
    awk '/^Number of complete executions explored|^Trace count/ { print $NF }' "$work/said"
}
{
    echo "# The shape, then complete executions of GenMC 0.10.3 --rc11, and of Nidhugg at 0aea4d23 --tso and --pso. Made by peers.sh."
    for program in "$work"/*.c; do
        clang -O1 -S -emit-llvm -o "$work/program.ll" "$program"
        rc11=$(count "$peers/genmc/genmc" --rc11 --disable-estimation -- "$program")
        tso=$(count "$peers/nidhugg/src/nidhugg" --tso "$work/program.ll")
        pso=$(count "$peers/nidhugg/src/nidhugg" --pso "$work/program.ll")
        echo "$(basename "$program" .c) $rc11 $tso $pso"
    done
} >"$work/peers.txt"
mv "$work/peers.txt" golden/peers.txt
