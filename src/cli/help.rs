//! What `--help` says below the options.

pub(super) const EXAMPLES: &str = "\
Examples:
  lockwalk                                    every race, every interleaving: the verdict table
  lockwalk check S3.1 S3.4                    these claims, and their variants S3.1/...
  lockwalk check S3 --protocol 3.7            all of S3 under one protocol
  lockwalk check S1.2 --protocol 2.6.34+anon_vma_life=nothing
                                              a protocol with one choice made differently
  lockwalk check S3.8 --engine loom --time 20s
  lockwalk check S3.14 --save s3.14.json --time 10m
  lockwalk check --resume s3.14.json          goes on where that stopped
  lockwalk check S3.14 --shard 1/4 --save 1.json
  lockwalk merge 1.json 2.json 3.json 4.json  the verdicts of four shards, from as many machines
  lockwalk explain S3.1                       the shortest interleaving that violates something
  lockwalk explain S3.1 --width 72            the same for a mail
  lockwalk explain S3.1 --output s3.1.svg     the same as a picture
  lockwalk source do_wp_page --protocol 5.19  a function as one kernel reads it
  lockwalk matrix                             which rule of reuse breaks what, in document 0's \
                        races
  lockwalk bench --time 2s                    the exhaustive scheduler beside loom and shuttle
  lockwalk list                               claims, races, protocols, rules, clauses and marks

Exit status:
  0    every verdict is the documented one, or nothing is documented and nothing violated; or \
                        what was asked for is done
  1    a verdict is not the documented one, or something is violated that nothing documents
  2    the command makes no sense, a race cannot be run, there is nothing to draw or to replay, or \
                        the output cannot be written
  3    something is undecided: a limit or Ctrl-C came first, the engine cannot tell, or a sample \
                        has not seen what is documented;
       a cell of a matrix was given up
  130  Ctrl-C came a second time: nothing more is said
  141  who was to read the output has gone: `lockwalk | head`
Where several are true: 1 before 3.";

/// How races are asked for.
macro_rules! races {
    () => {
        "A race is named by its id. `S3.1` stands for S3.1 and its variants S3.1/boundary, \
         S3.1/fault and so on; `S3` for all of S3; `=S3.1` for S3.1 alone. No name: all races."
    };
}

pub(super) const SELFCHECK: &str = races!();

pub(super) const CHECK: &str = concat!(
    races!(),
    "

A limit, Ctrl-C or a request to terminate ends an exploration with what is known so far, and \
                     `undecided` where that is no verdict. Loom takes a quarter of its limit without a \
                     bound, and a quarter with each of the bounds 3, 2 and 1 preemptions. \
                     Shards are cut where the exploration branches first, so they are not of \
                     equal size, and by states they overlap; a violation that is documented ends \
                     its search in each shard."
);

pub(super) const MATRIX: &str = "\
All of S0 under all arms takes minutes. What executions do not decide, --states may. Ctrl-C prints \
                      what is known by then.

A cell names the clauses that some execution violates before any other; `never` \
                      means that every interleaving was run, `?` that the cell was given up \
                      before that and nothing was found. Three dots behind a clause mean that it \
                      was given up and more may be violated.";

pub(super) const REPORT: &str = "\
All races take some minutes, and how far it is comes on standard error. The site needs no network, \
                      and its pages open from the disk: index.html has a row for each claim and a \
                      column for each kernel; a violation's page has its interleaving, with a \
                      slider and the arrow keys, and links like #step=7. Below it stands an \
                      interleaving under a protocol that holds, if that has few of them: the one \
                      whose turns differ least.";

pub(super) const CONFORM: &str = "\
Needs Linux and root: page frames are compared, and scripts swap. It sets up a swap device of one \
                       megabyte in memory and makes swap-in read no neighbours; both are undone \
                       whatever ends it. Other programs that swap meanwhile disturb what is seen.

Status 1 when kernel and model differ, with the shortest script that shows it; 3 when nothing \
                       could be compared, or Ctrl-C came first.

A line is an operation and what can be seen after it: `store 1 0 5 => p0[a1 -] p1[b1x -] used=1`. \
                       A letter is a page frame, the digit its mapcount, `x` that it belongs to \
                       one process alone, `c` that it is in the swap cache; `S0` is a swap slot. \
                       What has not changed is left out.";

pub(super) const STRESS: &str = "\
Each thread draws what it asks for from the seed: loads and stores, fork, exit, mmap, munmap, \
                      mprotect, mremap, splits, madvise, reclaim, migration, swapoff and swapon, \
                      pins that devices hold over other operations. After so many operations the \
                      threads end, the world is audited, everything in it exits, it is audited \
                      again, and the next world begins, with the next seed: so memory stays \
                      bounded, and a finding is at most one world old. `--seed` with a finding's \
                      seed asks for the same again; which threads met where, no seed says.

What it shows: that the compiled protocol runs, on locks of parking_lot and atomics with the \
                      orders that it states, and that no clause was seen violated in so many \
                      operations. What it does not: that none can be (that is `lockwalk check`); \
                      livelocks; and plain data that no lock orders, for which the exhaustive \
                      engine looks, or the thread sanitizer. Lock bookkeeping goes through one \
                      lock of its own, so that threads scale less than the protocol would.

Some kernels have races, and then what is found is true; `lockwalk list CLAUSE` and section 6 of \
                      SPEC.md know them. Until 5.18 devices store into pages that nobody has any \
                      more (claims S0.1, S0.9): \
                      `--without pin` asks for the rest. Pages move since \
                      2.6.18: before, `--without migrate,compact`. A rule that is mended, as in \
                      `--protocol 3.7+anon_vma_put=child-first`, asks whether there is more.";

pub(super) const SOURCE: &str = "\
What only other arms of a rule run is cut out, down to the variables and conditions that hang on \
                      it; everything else is the text of src/mm, with its comments. The first line \
                      says where it stands, and which rules it asks.";

pub(super) const BENCH: &str = "\
The programs: a walker locks a page and the list of N vmas and looks at their bounds; T adjusters \
                     move the bounds, K rounds each.
  locked          bounds are plain data under the list's lock: (1+TK)!/(K!)^T classes
  locked-atomics  bounds are atomics under that lock: as many classes
  racy            bounds are atomics without the lock, nothing is asserted: the whole racy space
  bug             the same, and the walk asserts what it sees: time to find the failure

--weak has litmus shapes, of which SB, 3.SB and 5.SB are rings of tasks that each store to a word \
                     and load the next one's; and racy; all accesses are relaxed. dpor's RC11 is \
                     what `check --memory weak` explores; loom explores a part of C11 of its own. \
                     A search is repeated for 50 ms, and its time is the median.

All of it takes minutes; a table is printed when it is complete.

A figure stands alone only if the engine finished: exhausted the program, or what its bound \
                     allows; or found the bug. For bug the samplers get 15 seeds each, and the \
                     figure is their median.";
