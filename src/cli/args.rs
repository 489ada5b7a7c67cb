//! What can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use crate::explore::program::program;
use crate::witness::render::Detail;
use crate::{Memory, Method, Shard};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use lockwalk_bench::{Size, Variant};

use super::Refusal;
use super::help::{BENCH, CHECK, CONFORM, EXAMPLES, MATRIX, REPORT, SELFCHECK, SOURCE, STRESS};

/// The executable, model-checked specification of Linux's anonymous-memory lock protocol.
///
/// Runs small races of page faults, reclaim, migration, fork and VMA changes in every interleaving,
/// under the lock protocols of several kernels, and says which clause of SPEC.md breaks, or that
/// none does. Without a command: all of them.
#[derive(Parser, Debug)]
#[command(
    name = "lockwalk",
    version,
    after_help = EXAMPLES,
    max_term_width = 100,
    infer_long_args = false
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Colour the output; auto: on a terminal, unless NO_COLOR is set or CLICOLOR is 0, and
    /// elsewhere if CLICOLOR_FORCE is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", display_order = 100)]
    pub color: Color,

    /// Print ASCII only; in JSON, SVG and Mermaid, other characters stand as escapes
    #[arg(long, global = true, display_order = 101)]
    pub ascii: bool,
}

impl Args {
    /// What is typed, or why it cannot be understood.
    pub fn typed() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&Self::called().try_get_matches()?)
    }

    /// The parser, in whose texts this program has its own name.
    pub fn called() -> clap::Command {
        let command = Self::command();
        let name = program();
        if name == LOCKWALK {
            return command;
        }
        // Who asks for its version wants to know of what.
        renamed(command, name).name(name).version(concat!(
            "(lockwalk ",
            env!("CARGO_PKG_VERSION"),
            ")"
        ))
    }
}

/// The name that the texts were written for.
const LOCKWALK: &str = "lockwalk";

fn renamed(mut command: clap::Command, name: &str) -> clap::Command {
    let say = |text: &clap::builder::StyledStr| text.to_string().replace(LOCKWALK, name);
    if let Some(text) = command.get_about().map(say) {
        command = command.about(text);
    }
    if let Some(text) = command.get_after_help().map(say) {
        command = command.after_help(text);
    }
    command
        .mut_args(|arg| match arg.get_help().map(say) {
            Some(text) => arg.help(text),
            None => arg,
        })
        .mut_subcommands(|command| renamed(command, name))
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run races, and compare the verdicts with the documented ones
    #[command(after_help = CHECK)]
    Check(CheckArgs),
    /// Show the shortest interleaving of a race that violates something
    Explain(ExplainArgs),
    /// Run one schedule of a race again, and show what happens
    Replay(ReplayArgs),
    /// Name the claims, races, protocols, rules, clauses and marks
    List(ListArgs),
    /// Print a function of the protocol, with only the arms that one kernel takes
    #[command(after_help = SOURCE)]
    Source(SourceArgs),
    /// Write a static site: a table of verdicts, and a page for each race and violation, to step
    /// through its interleaving
    #[command(after_help = REPORT)]
    Report(ReportArgs),
    /// Run every arm of a rule against every race of a family, whatever is documented: which arm
    /// breaks what
    #[command(after_help = MATRIX)]
    Matrix(MatrixArgs),
    /// Replay executions in orders that the exhaustive engine holds to be equivalent, and compare
    /// everything
    #[command(after_help = SELFCHECK)]
    Selfcheck(SelfcheckArgs),
    /// Put the shards of an exploration together, and print the verdicts
    Merge(MergeArgs),
    /// Measure the exhaustive scheduler beside loom and shuttle, on programs of known size
    #[command(after_help = BENCH)]
    Bench(BenchArgs),
    /// Let real threads do random operations in shared processes, and audit what they leave
    #[command(after_help = STRESS)]
    Stress(StressArgs),
    /// Run scripts of memory operations on the running Linux and in the model, and compare what can
    /// be seen after each
    #[command(after_help = CONFORM)]
    Conform(ConformArgs),
    /// Print what a shell needs to complete this command line:
    /// `source <(lockwalk completions bash)`
    Completions(CompletionsArgs),
    /// Print a manual page: `lockwalk man check | man -l -`
    Man(ManArgs),
}

#[derive(clap::Args, Debug)]
pub struct ConformArgs {
    /// What the scripts are about [default: all mixes that the machine can run]
    #[arg(value_name = "MIX", value_delimiter = ',')]
    pub mixes: Vec<String>,

    /// The model's protocol [default: the newest one that is not newer than the kernel]
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<String>,

    /// The seed of the first script; each further one has the next number
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,

    /// How many scripts of each mix [default: 200, or as many as there is time for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub scripts: Option<u64>,

    /// How many operations a script has
    #[arg(
        long,
        value_name = "N",
        default_value_t = 14,
        value_parser = clap::value_parser!(u64).range(1..=60)
    )]
    pub length: u64,

    /// Stop after this time, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub time: Option<Duration>,

    /// Ask this trace, which --record wrote, instead of the running kernel: on any machine
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["mixes", "seed", "scripts", "length", "time", "record"]
    )]
    pub trace: Option<PathBuf>,

    /// Run pairs of operations at once on two CPUs instead, each pair so often, and ask whether the
    /// model reaches every state that they leave
    #[arg(
        long,
        value_name = "TIMES",
        conflicts_with_all = ["mixes", "scripts", "length", "trace"],
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub pairs: Option<u64>,

    /// Write what the kernel showed into this file
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: CountedFormat,
}

#[derive(clap::Args, Debug)]
pub struct StressArgs {
    /// The protocol: a kernel version, with choices made differently as `2.6.34+RULE=ARM`
    #[arg(long, value_name = "PROTOCOL", default_value = "7.3")]
    pub protocol: String,

    /// How many threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=32))]
    pub threads: Option<u64>,

    /// Go on for so long, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub time: Duration,

    /// Go on for so many operations instead; the last world is finished
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "time",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub operations: Option<u64>,

    /// The seed of the first world; each further one has the next number
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,

    /// How many operations a world has
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u64).range(1..=10_000)
    )]
    pub audit_every: u64,

    /// Leave out this operation; may be repeated
    #[arg(long, value_name = "OPERATION", value_delimiter = ',')]
    pub without: Vec<String>,

    /// Take one lock around each operation, to compare with
    #[arg(long)]
    pub global_lock: bool,

    /// Do not delay threads at random; the delays let more operations meet
    #[arg(long)]
    pub no_delays: bool,

    /// Of a violation, show the last N steps that lead to it, too
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "scaling")]
    pub steps: u32,

    /// Run 1, 2 and 4 threads, each without and with the global lock and without delays, and
    /// compare how fast they are
    #[arg(long, conflicts_with_all = ["threads", "global_lock", "no_delays"])]
    pub scaling: bool,

    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: CountedFormat,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum CountedFormat {
    /// Text
    Table,
    /// Everything that was counted
    Json,
}

#[derive(clap::Args, Debug)]
pub struct SelfcheckArgs {
    /// Races, by id or by its beginning
    #[arg(value_name = "RACE", value_delimiter = ',')]
    pub races: Vec<String>,

    /// Under this protocol only: a kernel version, with choices made differently as
    /// `2.6.34+RULE=ARM`
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<String>,

    /// How many executions of each case are drawn, in each order of its CPUs
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub executions: u64,

    /// How many threads [default: one per core]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub jobs: Option<u64>,

    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: CountedFormat,
}

#[derive(clap::Args, Debug, Default)]
pub struct CheckArgs {
    /// Races, by id or by its beginning
    #[arg(value_name = "RACE", value_delimiter = ',')]
    pub races: Vec<String>,

    /// Run under this protocol only: a kernel version, with choices made differently as
    /// `2.6.34+RULE=ARM`
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<String>,

    /// How to choose the interleavings [default: dpor, and states where many executions lead
    /// through few; or loom in a build with --cfg loom]
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<EngineName>,

    /// Go on from each state once: the same as --engine states
    #[arg(long, conflicts_with = "engine")]
    pub states: bool,

    /// What a CPU sees of others' stores, and when: dpor, dfs, random and pct have a choice, states
    /// all but `weak` [default: sc]
    #[arg(long, value_name = "MODEL")]
    pub memory: Option<MemoryName>,

    /// random, pct, native: how many executions of each race [default: 10000; native: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub iterations: Option<u64>,

    /// random, pct: where the random choices start [default: 1]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,

    /// pct: how many ordering constraints to aim at, at most 1000 [default: 3]
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub depth: Option<u32>,

    /// dpor, states, dfs, loom: give up a race after so many executions; those that turn out
    /// redundant count too, and loom's bounds count together
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub executions: Option<u64>,

    /// Give up a race after this time, 10s, 500ms or 2m; a sample (random, pct, native) is smaller
    /// then
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub time: Option<Duration>,

    /// states, on Linux: remember no more states than there are when the process has so much
    /// memory, 500M or 2G; from others it goes on again whenever it meets them. With --save they
    /// are there twice
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory_limit: Option<u64>,

    /// How many threads explore; the verdicts are the same for any number, and so are the counts
    /// but for those by states [default: one per core]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub jobs: Option<u64>,

    /// dpor and states: explore only the I-th of N shards of each race, here or on another machine;
    /// `lockwalk merge` puts them together. By states, each goes through all that it comes to
    #[arg(long, value_name = "I/N", requires = "save", conflicts_with = "resume")]
    pub shard: Option<Shard>,

    /// dpor and states: keep what was explored in FILE, now and every half minute, to go on from
    /// there whatever ends it, or to merge shards
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,

    /// dpor and states: go on with what FILE keeps, and keep it there, unless --save names another;
    /// `-` is standard input, and needs --save
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,

    /// With --save: begin anew, although FILE keeps something already
    #[arg(long, requires = "save")]
    pub force: bool,

    /// How to print the verdicts
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: CheckFormat,
}

#[derive(clap::Args, Debug)]
pub struct ExplainArgs {
    /// One race, by its id
    #[arg(value_name = "RACE")]
    pub race: String,

    /// The protocol [default: the first one that is documented to violate something]
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<String>,

    /// What a CPU sees of others' stores, and when [default: sc]
    #[arg(long, value_name = "MODEL")]
    pub memory: Option<MemoryName>,

    #[command(flatten)]
    pub drawing: Drawing,
}

#[derive(clap::Args, Debug)]
pub struct SourceArgs {
    /// Functions of src/mm, by name: `do_wp_page`; or by the steps of SPEC.md that they have:
    /// `dup_mmap`, `do_swap_page.7`
    #[arg(value_name = "FUNCTION", value_delimiter = ',', required = true)]
    pub functions: Vec<String>,

    /// As this protocol reads it: a kernel version, with choices made differently as
    /// `2.6.34+RULE=ARM` [default: with every arm]
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<String>,
}

#[derive(clap::Args, Debug)]
pub struct ReplayArgs {
    /// One race, by its id
    #[arg(value_name = "RACE")]
    pub race: String,

    /// The protocol
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: String,

    /// The schedule, as `explain` prints it: `1*61.2*17.1*21` is 61 steps of task 1, then 17 of
    /// task 2, and so on
    #[arg(long, value_name = "SCHEDULE")]
    pub schedule: String,

    /// The memory model that it was found under [default: sc]
    #[arg(long, value_name = "MODEL")]
    pub memory: Option<MemoryName>,

    #[command(flatten)]
    pub drawing: Drawing,
}

/// How to draw an interleaving.
#[derive(clap::Args, Debug)]
pub struct Drawing {
    /// How to draw it [default: by the ending of FILE, which is .txt, .svg, .json, .mmd or
    /// .mermaid; text if it has none]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<DrawFormat>,

    /// Show every row of the story; without this, a long turn is cut down to its end, what matters
    /// later and what decides it
    #[arg(long, conflicts_with = "from_first_switch")]
    pub whole: bool,

    /// Show the steps that decide it, fifteen at most
    #[arg(long, conflicts_with_all = ["whole", "from_first_switch"])]
    pub brief: bool,

    /// Begin at the first switch; of what comes before, show only what matters later
    #[arg(long)]
    pub from_first_switch: bool,

    /// Show every step, loads without effect too
    #[arg(long, conflicts_with_all = ["whole", "brief", "from_first_switch"])]
    pub full: bool,

    /// Text in so many columns, 72 for a mail [default: those of the terminal, else COLUMNS, else
    /// 100]
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(40..))]
    pub width: Option<u16>,

    /// Leave the source lines out
    #[arg(long)]
    pub no_source: bool,

    /// Write to FILE instead of standard output, which is `-`
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Drawing {
    /// Which rows to show.
    pub fn detail(&self) -> Detail {
        [
            (self.full, Detail::Full),
            (self.whole, Detail::Story),
            (self.brief, Detail::Brief),
            (self.from_first_switch, Detail::FromFirstSwitch),
        ]
        .into_iter()
        .find_map(|(asked, detail)| asked.then_some(detail))
        .unwrap_or(Detail::Window)
    }

    /// How to draw it.
    ///
    /// # Errors
    /// When that is left to the ending of a file, and no format has that.
    pub fn format(&self) -> Result<DrawFormat, Refusal> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let Some((file, ending)) =
            self.output.as_ref().and_then(|file| Some((file, file.extension()?)))
        else {
            return Ok(DrawFormat::Text);
        };
        match ending.to_ascii_lowercase().to_str() {
            Some("txt") => Ok(DrawFormat::Text),
            Some("svg") => Ok(DrawFormat::Svg),
            Some("json") => Ok(DrawFormat::Json),
            Some("mmd" | "mermaid") => Ok(DrawFormat::Mermaid),
            _ => Err(Refusal(format!(
                "{}: which format is that? --format says it, or one of the endings .txt, .svg, \
                 .json, .mmd, .mermaid",
                file.display()
            ))),
        }
    }
}

#[derive(clap::Args, Debug)]
pub struct ListArgs {
    /// Only these: claims and races by id or by its beginning, protocols, rules, clauses, marks; or
    /// all of one kind, as `marks`
    #[arg(value_name = "NAME", value_delimiter = ',')]
    pub names: Vec<String>,

    /// How to print them
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ListFormat,
}

#[derive(clap::Args, Debug)]
pub struct ReportArgs {
    /// Races, by id or by its beginning [default: all]
    #[arg(value_name = "RACE", value_delimiter = ',')]
    pub races: Vec<String>,

    /// Under this protocol only: a kernel version, with choices made differently as
    /// `2.6.34+RULE=ARM`
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<String>,

    /// Give up a case after so many executions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub executions: Option<u64>,

    /// How many threads explore [default: one per core]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub jobs: Option<u64>,

    /// The directory; it is made if it does not exist, and nothing in it is written over but what a
    /// report has written
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
}

impl ReportArgs {
    /// The cases, as `check` chooses them.
    pub fn chosen(&self) -> CheckArgs {
        CheckArgs {
            races: self.races.clone(),
            protocol: self.protocol.clone(),
            ..CheckArgs::default()
        }
    }
}

#[derive(clap::Args, Debug)]
pub struct MatrixArgs {
    /// Races, by id or by its beginning [default: S0]
    #[arg(value_name = "RACE", value_delimiter = ',')]
    pub races: Vec<String>,

    /// The rule whose arms are the columns
    #[arg(long, value_name = "RULE", default_value = "reuse")]
    pub rule: String,

    /// The protocol whose other choices stay
    #[arg(long, value_name = "PROTOCOL", default_value = "2.6.29")]
    pub base: String,

    /// Columns are the protocols of document 0's family, from 2.6.7 to 5.19, instead of a rule's
    /// arms
    #[arg(long, conflicts_with_all = ["rule", "base"])]
    pub eras: bool,

    /// What a CPU sees of others' stores, and when [default: sc]
    #[arg(long, value_name = "MODEL")]
    pub memory: Option<MemoryName>,

    /// Decide each cell by states, however many there are
    #[arg(long)]
    pub states: bool,

    /// Give up a cell after so many executions [default: 100000; by states none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub executions: Option<u64>,

    /// Give up a cell after this time, 10s, 500ms or 2m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub time: Option<Duration>,

    /// How many threads explore [default: one per core]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub jobs: Option<u64>,

    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: MatrixFormat,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatrixFormat {
    /// Columns that line up
    Table,
    /// Markdown, as in SPEC.md
    Markdown,
    /// Everything that was counted
    Json,
}

#[derive(clap::Args, Debug)]
pub struct MergeArgs {
    /// What `check --shard --save` wrote: all shards, each once and done; `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// How to print the verdicts
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: CheckFormat,
}

#[derive(clap::Args, Debug)]
pub struct BenchArgs {
    /// Only this family of programs; may be repeated
    #[arg(long, value_name = "FAMILY", value_parser = families())]
    pub family: Vec<Variant>,

    /// Only this size: N vmas, T adjusters, K rounds of each; may be repeated [default: 1,1,1 2,2,1
    /// 2,2,2 2,3,1 2,3,2]
    #[arg(long, value_name = "N,T,K")]
    pub size: Vec<Size>,

    /// Give up a cell of a table after this time
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub time: Duration,

    /// Measure what an execution costs beside one under shuttle's random scheduler; no tables,
    /// unless they are asked for too
    #[arg(long)]
    pub overhead: bool,

    /// Measure the memory that 450,450 executions take; no tables, unless they are asked for too
    #[arg(long)]
    pub memory: bool,

    /// Compare memory models, and loom's, on litmus shapes and the racy family with relaxed
    /// accesses; no other tables, unless they are asked for too
    #[arg(long)]
    pub weak: bool,

    /// How to print the measurements
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: BenchFormat,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum BenchFormat {
    /// Columns that line up
    Table,
    /// Markdown
    Markdown,
    /// All that was measured
    Json,
}

#[derive(clap::Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[derive(clap::Args, Debug)]
pub struct ManArgs {
    /// The command whose page it is [default: that of lockwalk, which names the others]
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

fn families() -> impl TypedValueParser<Value = Variant> {
    PossibleValuesParser::new(Variant::ALL.map(Variant::name))
        .try_map(|name| name.parse::<Variant>())
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineName {
    /// Every interleaving, one of each class of equivalent ones
    Dpor,
    /// Every state once, and not once for each way that leads there
    States,
    /// Every interleaving, equivalent ones too: a check of dpor, for small races only
    Dfs,
    /// Random walks
    Random,
    /// Random priorities (probabilistic concurrency testing)
    Pct,
    /// Most of the C11 memory model, with a bound where it does not get through without
    Loom,
    /// Real threads: a smoke test
    Native,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryName {
    /// Sequentially consistent: there is one order of all steps, and each sees all that came before
    /// it
    Sc,
    /// x86: stores go to memory later, one after the other
    Tso,
    /// SPARC V9's: the same, but stores to different words overtake each other
    Pso,
    /// RC11, which is C11 without load buffering: loads may be stale, too
    Weak,
}

/// The model that is asked for.
pub fn memory(asked: Option<MemoryName>) -> Memory {
    match asked.unwrap_or(MemoryName::Sc) {
        MemoryName::Sc => Memory::Sc,
        MemoryName::Tso => Memory::Tso,
        MemoryName::Pso => Memory::Pso,
        MemoryName::Weak => Memory::Weak,
    }
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CheckFormat {
    /// A table of verdicts
    #[default]
    Table,
    /// One line each, as soon as it is known
    Lines,
    /// Everything that was counted, and the witnesses
    Json,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum DrawFormat {
    Text,
    Json,
    Svg,
    Mermaid,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListFormat {
    Text,
    Json,
}

impl CheckArgs {
    /// The method that is asked for.
    ///
    /// # Errors
    /// When an option is given that means nothing to the engine.
    pub fn method(&self) -> Result<Method, Refusal> {
        use EngineName::*;
        let kept = self.shard.is_some() || self.save.is_some() || self.resume.is_some();
        let asked = if self.states { Some(States) } else { self.engine };
        let engine = asked.unwrap_or(match Method::default() {
            Method::Loom if !kept && self.memory.is_none() => Loom,
            _ => Dpor,
        });
        let model = memory(self.memory);
        if kept && model != Memory::Sc {
            return Err(Refusal(
                "--memory: what is kept in a file is sequentially consistent".into(),
            ));
        }
        let misplaced: [(&str, bool, &[EngineName]); 11] = [
            ("--memory", self.memory.is_some(), &[Dpor, States, Dfs, Random, Pct]),
            ("--memory weak", model == Memory::Weak, &[Dpor, Dfs, Random, Pct]),
            ("--iterations", self.iterations.is_some(), &[Random, Pct, Native]),
            ("--seed", self.seed.is_some(), &[Random, Pct]),
            ("--depth", self.depth.is_some(), &[Pct]),
            ("--executions", self.executions.is_some(), &[Dpor, States, Dfs, Loom]),
            ("--memory-limit", self.memory_limit.is_some(), &[States]),
            ("--jobs", self.jobs.is_some(), &[Dpor, States, Dfs, Random, Pct, Loom]),
            ("--shard", self.shard.is_some(), &[Dpor, States]),
            ("--save", self.save.is_some(), &[Dpor, States]),
            ("--resume", self.resume.is_some(), &[Dpor, States]),
        ];
        let name = |engine: &EngineName| {
            engine.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
        };
        for (option, given, engines) in misplaced {
            if given && !engines.contains(&engine) {
                let for_whom: Vec<_> = engines.iter().map(name).collect();
                return Err(Refusal(format!(
                    "{option} is for --engine {}, not for {}",
                    for_whom.join(" and "),
                    name(&engine)
                )));
            }
        }
        let (seed, iterations) = (self.seed.unwrap_or(1), self.iterations.unwrap_or(10_000));
        Ok(match engine {
            Dpor if asked.is_none() && !kept => Method::Auto,
            Dpor => Method::Exhaustive,
            States => Method::States,
            Dfs => Method::Enumerate,
            Random => Method::Random { seed, iterations },
            Pct => Method::Pct { seed, depth: self.depth.unwrap_or(3), iterations },
            Loom => Method::Loom,
            Native => Method::Native { iterations: self.iterations.unwrap_or(1000) },
        })
    }
}

/// `500M`, `2G`: so many bytes.
fn size(text: &str) -> Result<u64, String> {
    const EXPECTED: &str = "expected a number and M or G";
    let (number, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit.trim() {
        "M" => 1_u64 << 20,
        "G" => 1 << 30,
        _ => return Err(EXPECTED.into()),
    };
    let number: u64 = number.parse().map_err(|_| EXPECTED)?;
    number.checked_mul(unit).filter(|&size| size > 0).ok_or("that is no size of memory".into())
}

/// `10s`, `500ms`, `2m`, `1h`; seconds without a unit.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a number and ms, s, m or h".into()),
    };
    let seconds = number.parse::<f64>().map_err(|_| "expected a number and ms, s, m or h")? * unit;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("that is no time".into()),
    }
}
