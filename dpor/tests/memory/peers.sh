#!/usr/bin/env bash
# Make golden/peers.txt again: how many executions GenMC and Nidhugg need for the programs of peers.rs, and which outcomes they find.
# Not part of CI. `bench/peers/run` builds the two.
#
# Each outcome that dpor finds is asked about with an assertion that must fail, and that there are no others with one that must not.
set -euo pipefail
cd "$(dirname "$0")"
peers=$PWD/../../../target/peers
export PATH=/usr/lib/llvm-${LLVM:-14}/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LITMUS=$work cargo test -q -p dpor --test memory -- --ignored write_programs >&2

# check MODEL PROGRAM OPTIONS...: what the peer says goes to said.
check() {
    local model=$1 program=$2
    shift 2
    if [ "$model" = rc11 ]; then
        "$peers/genmc/genmc" --rc11 --disable-estimation --disable-mm-detector -- "$@" "$program" >"$work/said" 2>&1 || true
    else
        clang -O1 -S -emit-llvm "$@" -o "$work/program.ll" "$program"
        "$peers/nidhugg/src/nidhugg" --"$model" "$work/program.ll" >"$work/said" 2>&1 || true
    fi
}
clean() { grep -q 'No errors were detected' "$work/said" || { echo "$1" >&2; cat "$work/said" >&2; exit 1; }; }

{
    echo "# The program, the model, complete executions, and each outcome: GenMC 0.10.3 --rc11, Nidhugg at 0aea4d23 --tso and --pso. Made by peers.sh."
    for program in "$work"/*.c; do
        name=$(basename "$program" .c)
        for model in rc11 tso pso; do
            check "$model" "$program"
            clean "$name under $model"
            line="$name $model $(awk '/^Number of complete executions explored|^Trace count/ { print $NF }' "$work/said")"
            known=
            while read -r outcome; do
                # Without leading zeros, which C takes for octal.
                number=$((10#$outcome))
                known+="${known:+||}outcome==$number"
                check "$model" "$program" "-DOUTCOME=$number"
                if grep -q 'Safety violation\|Assertion violation' "$work/said"; then
                    line+=" $outcome"
                else
                    clean "$name under $model, $outcome"
                    echo "$name: not found under $model: $outcome" >&2
                fi
            done <"${program%.c}.$model"
            echo "$known" >"$work/known"
            check "$model" "$program" -DKNOWN
            clean "$name under $model has outcomes that dpor has not"
            echo "$line"
        done
    done
} >"$work/peers.txt"
mv "$work/peers.txt" golden/peers.txt
