#!/bin/sh
# Make golden/lkmm.txt again: what herd7 says of the litmus tests in lkmm.rs under the kernel's memory model, and what becomes of
# that with the five differences that lkmm.rs lists. Not part of CI.
#
#   LINUX=linux-5.19/tools/memory-model HERD=herd7 LIBDIR=/usr/share/herdtools7/herd tests/vocabulary/lkmm.sh
#
# LINUX has linux-kernel.{bell,cat,cfg,def} and lock.cat of Linux 5.19: the kernel's, under its licence, so they are not here.
# How to get herd7 is in dpor/tests/memory/herd.sh.
set -eu
cd "$(dirname "$0")"
herd=${HERD:-herd7}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tests"
LITMUS=$work/tests cargo test -q -p lockwalk --test vocabulary -- --ignored --exact lkmm::write_litmus_tests

# Change a line of the model that is there.
change() {
	sed "$@" "$model" >"$model.new"
	! cmp -s "$model" "$model.new" || { echo "$model: nothing to change by $*" >&2; exit 1; }
	mv "$model.new" "$model"
}

# Nothing is read before it is written.
make_l() { echo 'acyclic po | rf as no-load-buffering' >>"$model"; }

# What a grace period waits for is a question of that order, too.
make_g() { change 's/^let rcu-link = .*/& | (po | rf)+/'; }

# smp_wmb and smp_rmb are C11's fences, where they pair with others: a store that one who acquires reads from, or from what
# follows it by the same CPU or by read-modify-writes, and the load that has read it.
make_f() {
	change '/^let rmb = /a\
let released = Release | range(fencerel(Wmb | Mb | Sync-rcu) ; [W])\
let acquired = Acquire | domain([R] ; fencerel(Rmb | Mb | Sync-rcu))\
let pairs = [released] ; ([W] ; po-loc ; [W])? ; (rf ; rmw)* ; rf ; [acquired]\
let release-fence = [M] ; fencerel(Wmb) ; [W \& domain(pairs)]\
let acquire-fence = [R \& range(pairs)] ; fencerel(Rmb) ; [M]'
	change '/^let fence = nonrw-fence/s/$/ | release-fence | acquire-fence/'
	change '/^let cumul-fence = /s/po-rel)/po-rel | release-fence)/'
}

# An unlock and a lock behind it are a release and an acquisition, no more.
make_u() { change 's/^let po-unlock-lock-po = .*/let po-unlock-lock-po = 0/'; }

# What was read comes before what follows where the two are such a pair, or where it is the first that a full barrier looks back on.
make_p() {
	change -e '/^let A-cumul/s/rfe/sw/' -e '/^let A-cumul/i\
let sw = pairs \& ext'
	change '/^let prop = /s/(overwrite & ext)?/& ; [Marked] ; (rfe ; [Marked])?/'
	change -e '/^let hb = /s/rfe/sw/' -e '/^let hb = /s/prop/prop-sw/' -e '/^let hb = /i\
let prop-sw = [Marked] ; (overwrite \& ext)? ; [Marked] ; (rfe ; [Marked])? ; cumul-fence* ; [Marked] ; sw? ; [Marked]'
}

# Under the model with these differences.
run() {
	mkdir "$work/$1" "$work/$1.out"
	cp "$LINUX"/linux-kernel.* "$LINUX/lock.cat" "$work/$1"
	model=$work/$1/linux-kernel.cat
	for difference in $2; do "make_$difference"; done
	find "$work/tests" -name '*.litmus' | sort | nice xargs -P "$(nproc)" -n 100 sh -c '
		out=$1; shift
		"$@" >"$out/$$" 2>&1 || { cat "$out/$$" >&2; exit 255; }
	' run "$work/$1.out" "$herd" ${LIBDIR:+-set-libdir "$LIBDIR"} -I "$work/$1" -conf "$work/$1/linux-kernel.cfg"
	cat "$work/$1.out"/* | awk -v model="$1" '
		# Of the tests: in which order an outcome is written down.
		FNR == NR { if ($1 == "C") name = $2; if ($1 == "(*" && $2 == "order") orders[name] = $0; next }
		$1 == "Test" { name = $2; count = split(orders[name], order, " ") - 1 }
		$1 == "Flag" { print name ": " $0 > "/dev/stderr"; exit 1 }
		$1 == "States" { left = $2; if (left == 0) { print name ": no outcome" > "/dev/stderr"; exit 1 } next }
		left > 0 {
			left--
			gsub(/[][]/, ""); gsub(/;/, " "); split("", value)
			for (i = 1; i <= NF; i++) { split($i, part, "="); value[part[1]] = part[2] }
			outcome = ""
			for (i = 3; i <= count; i++) {
				if (!(order[i] in value)) { print name ": no value of " order[i] " in " $0 > "/dev/stderr"; exit 1 }
				outcome = outcome value[order[i]]
			}
			print model, name, outcome
		}' "$work/order" -
}
find "$work/tests" -name '*.litmus' | sort | xargs cat | grep -e '^C ' -e '^(\* order' >"$work/order"
{ run lkmm ""; run l l; run lg "l g"; run lgfu "l g f u"; run lgfup "l g f u p"; } >"$work/all"
{
	echo "# What herd7 $("$herd" -version | head -n 1 | cut -d , -f 1) says under linux-kernel.cat of Linux 5.19 (cksum $(cat "$LINUX"/linux-kernel.bell "$LINUX"/linux-kernel.cat \
		"$LINUX"/linux-kernel.cfg "$LINUX"/linux-kernel.def "$LINUX"/lock.cat | cksum | cut -d ' ' -f 1)): the outcomes of each test of lkmm.rs. Made by lkmm.sh."
	awk '
		FNR == NR { if ($1 == "C") name[++tests] = $2; next }
		{
			if (!(($2, $3) in known)) { known[$2, $3]; outcomes[$2] = outcomes[$2] " " $3 }
			has[$1, $2, $3]
		}
		END {
			for (test = 1; test <= tests; test++) {
				line = name[test]; count = split(outcomes[line], outcome, " ")
				for (i = 1; i <= count; i++) {
					at = name[test] SUBSEP outcome[i]; mark = ""
					if (("lkmm" SUBSEP at in has) && !("lgfup" SUBSEP at in has))
						mark = !("l" SUBSEP at in has) ? "l" : !("lg" SUBSEP at in has) ? "g" : "f"
					if (!("lkmm" SUBSEP at in has)) {
						if (!("lgfup" SUBSEP at in has)) continue
						mark = ("lgfu" SUBSEP at in has) ? "u" : "p"
					}
					line = line " " outcome[i] mark
				}
				print line
			}
		}' "$work/order" "$work/all"
} >"$work/lkmm.txt"
mkdir -p golden
mv "$work/lkmm.txt" golden/lkmm.txt
