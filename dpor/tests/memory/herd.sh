#!/bin/sh
# Make the golden files again: what herd7 says of the litmus tests in litmus.rs. Not part of CI.
#
#   HERD=herd7 LIBDIR=/usr/share/herdtools7/herd dpor/tests/memory/herd.sh
#
# herd7 is in opam (`opam install herdtools7`), or built from github.com/herd/herdtools7: with Debian 12's ocaml-nox, ocaml-dune, menhir,
# libmenhir-ocaml-dev and libzarith-ocaml-dev, tag 7.57 builds by `sh version-gen.sh /usr/local && dune build --profile release herd/herd.exe`;
# HERD is _build/default/herd/herd.exe then, and LIBDIR herd/libdir.
set -eu
cd "$(dirname "$0")"
herd=${HERD:-herd7}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LITMUS=$work cargo test -q -p dpor --test memory -- --ignored write_litmus_tests
run() { # model's name, its file
	{
		echo "# What herd7 $("$herd" -version | head -n 1 | cut -d , -f 1) says under $(basename "$2"): the outcomes of each test of litmus.rs. Made by herd.sh."
		for test in "$work/$1"/*.litmus; do
			"$herd" ${LIBDIR:+-set-libdir "$LIBDIR"} -model "$2" "$test" >"$work/out" 2>&1 || { cat "$test" "$work/out" >&2; exit 1; }
			cat "$test" "$work/out"
		done | awk '
			$1 == "C" || $1 == "X86_64" { name = $2 }
			$1 == "(*" && $2 == "order" { count = NF - 3; for (i = 1; i <= count; i++) order[i] = $(i + 2); outcomes = "" }
			/^States / { left = $2; next }
			left > 0 {
				left--
				gsub(/[][]/, ""); gsub(/;/, " "); split("", value)
				for (i = 1; i <= NF; i++) { split($i, part, "="); value[part[1]] = part[2] }
				outcome = ""
				for (i = 1; i <= count; i++) {
					if (!(order[i] in value)) { print "no value of " order[i] " in " $0 > "/dev/stderr"; exit 1 }
					outcome = outcome value[order[i]]
				}
				outcomes = outcomes " " outcome
				if (left == 0) print name outcomes
			}'
	} >"$work/$1.txt"
	mv "$work/$1.txt" "golden/$1.txt"
}
run rc11 rc11.cat
run x86-tso "$PWD/x86-tso.cat"
