//! Scripts and traces without the model: what a kernel under emulation runs, and what writes the
//! golden traces.
//!
//! ```text
//! recorder generate MIX FIRST COUNT LENGTH     scripts, with titles
//! recorder record [DEVICE] < SCRIPTS > TRACE   on the running kernel; with a swap device that is
//!                                              there, which is memory
//! recorder pairs TIMES [WORD] > TRACE          on the running kernel: what two operations at once
//!                                              leave, in pairs whose names have that word
//! recorder beside TRACE < TRACE > DIFFERENCES   only what the other one does not show
//! ```

use std::collections::BTreeSet;
use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;

use lockwalk_conformance::{Mix, Recording, Sequence, generate};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["generate", mix, first, count, length] => scripts(mix, first, count, length),
        ["record"] => record(None),
        ["record", device] => record(Some(device)),
        ["pairs", times] => pairs(times, ""),
        ["pairs", times, word] => pairs(times, word),
        ["beside", other] => beside(other),
        _ => Err("generate MIX FIRST COUNT LENGTH | record [DEVICE] < SCRIPTS | pairs TIMES \
                  [WORD] | beside TRACE < TRACE"
            .into()),
    };
    match done {
        Ok(text) if stdout().write_all(text.as_bytes()).is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
        Err(why) => {
            eprintln!("recorder: {why}");
            ExitCode::from(2)
        }
    }
}

type Done = Result<String, Box<dyn std::error::Error>>;

fn scripts(mix: &str, first: &str, count: &str, length: &str) -> Done {
    let mix = Mix::called(mix).ok_or_else(|| format!("no mix is called '{mix}'"))?;
    let (first, count, length): (u64, u64, usize) =
        (first.parse()?, count.parse()?, length.parse()?);
    let sequence = |seed| Sequence {
        title: format!("{} {seed}", mix.name),
        lines: generate(&mix, seed, length).iter().map(ToString::to_string).collect(),
    };
    Ok((first..first + count).map(|seed| sequence(seed).to_string()).collect())
}

fn input() -> Result<Recording, Box<dyn std::error::Error>> {
    let mut text = String::new();
    stdin().read_to_string(&mut text)?;
    Ok(text.parse()?)
}

fn beside(other: &str) -> Done {
    Ok(input()?.beside(&std::fs::read_to_string(other)?.parse()?).to_string())
}

#[cfg(target_os = "linux")]
fn record(device: Option<&str>) -> Done {
    let mut trace = input()?;
    let mut recorder = lockwalk_conformance::Recorder::start_on(device)?;
    trace.header.extend(lockwalk_conformance::running_kernel());
    trace.header.extend(device.map(|_| ("swap".into(), "memory".into())));
    for sequence in &mut trace.sequences {
        let script = sequence.script()?;
        if !lockwalk_conformance::State::allows_all(&script) {
            return Err(format!("{} does not make sense", sequence.title).into());
        }
        sequence.lines = settled(&sequence.title, || recorder.run(&script))?;
    }
    Ok(trace.to_string())
}

#[cfg(target_os = "linux")]
fn pairs(times: &str, word: &str) -> Done {
    use lockwalk_conformance::Recorder;

    let (times, mut rng): (u64, _) = (times.parse()?, fastrand::Rng::with_seed(1));
    let mut recorder = Recorder::start()?;
    let mut trace =
        Recording { header: lockwalk_conformance::running_kernel(), sequences: Vec::new() };
    trace.header.insert("runs".into(), format!("{times} of each pair"));
    for pair in Recorder::pairs().filter(|pair| pair.name.contains(word)) {
        let seen = (0..times)
            .map(|_| recorder.at_once(pair, &mut rng))
            .collect::<Result<BTreeSet<_>, _>>()?;
        trace
            .sequences
            .push(Sequence { title: pair.name.to_owned(), lines: seen.into_iter().collect() });
    }
    Ok(trace.to_string())
}

/// What it shows twice in a row: other programs may swap meanwhile.
#[cfg(target_os = "linux")]
fn settled(
    title: &str,
    mut run: impl FnMut() -> Result<Vec<String>, lockwalk_conformance::Lacks>,
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut shown = vec![run()?];
    while shown.len() < 10 {
        let lines = run()?;
        if shown.last() == Some(&lines) {
            return Ok(lines);
        }
        shown.push(lines);
    }
    let at = (0..shown[0].len())
        .find(|&at| shown.iter().any(|lines| lines.get(at) != shown[0].get(at)))
        .unwrap_or(0);
    let different: BTreeSet<_> =
        shown.iter().map(|lines| lines.get(at).map_or("", |line| line)).collect();
    let different: Vec<_> = different.into_iter().collect();
    Err(format!("{title} is something else each time: {}", different.join(", or ")).into())
}

#[cfg(not(target_os = "linux"))]
fn record(_: Option<&str>) -> Done {
    Err("this is not Linux".into())
}

#[cfg(not(target_os = "linux"))]
fn pairs(_: &str, _: &str) -> Done {
    record(None)
}
