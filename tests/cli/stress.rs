//! `lockwalk stress`. What threads meet is the machine's to say: only what does not depend on that
//! is wanted here.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::{STOPPED, good, lockwalk, refused, run};

#[track_caller]
fn runs(args: &str, status: i32) -> Vec<Value> {
    let (stdout, stderr) = run(&format!("{args} --format json"), status);
    assert_eq!(stderr, "", "lockwalk {args}");
    let mut json: Value = serde_json::from_str(&stdout).expect("JSON");
    serde_json::from_value(json["runs"].take()).expect("runs")
}

/// Does it ask for that?
fn asks(run: &Value, kind: &str) -> bool {
    run["kinds"].as_array().expect("a list").iter().any(|asked| asked["name"] == kind)
}

#[test]
fn one_thread_violates_nothing() {
    let args = "stress --threads 1 --operations 3000 --seed 7";
    let text = good(args);
    assert!(
        text.contains("3,000 operations in 3 worlds")
            && text.ends_with("a sample of what this machine does\n"),
        "{text}"
    );
    let all = &runs(args, 0)[0];
    assert_eq!((&all["verdict"], &all["operations"]), (&"not-seen".into(), &3000.into()), "{all}");
    assert!(asks(all, "fork"), "{all}");
    let some = &runs("stress --threads 1 --operations 1000 --without pin,fork", 0)[0];
    assert!(asks(some, "store") && !asks(some, "fork") && !asks(some, "pin"), "{some}");
}

/// Claim S1.1, which one thread is enough for: 2.6.22 migrates a page of the swap cache that nobody
/// maps.
#[test]
fn a_violation_is_told_and_comes_again() {
    let args = "stress --protocol 2.6.22 --threads 1 --without pin";
    let (text, _) = run(args, 1);
    for part in
        ["  ✗ NULL-1: ", "seen by CPU0 at src/mm/rmap.rs:", ", in the world of seed ", "CPU0  "]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let finding = &runs(args, 1)[0]["finding"];
    let last = finding["last"].as_array().expect("a list").last().expect("the one that finds it");
    assert_eq!((&finding["cpu"], &last["ended"]), (&0.into(), &Value::Null), "{finding}");
    let again = &runs(&format!("{args} --seed {} --operations 1", finding["seed"]), 1)[0];
    assert_eq!((&again["finding"], &again["worlds"]), (finding, &1.into()));
    let shown = &runs(&format!("{args} --steps 30"), 1)[0]["finding"]["steps"];
    let steps = shown.as_array().expect("a list");
    assert!(steps.len() == 30 && finding["steps"] == Value::Array(Vec::new()), "{finding}");
    assert!(steps[29]["text"].as_str().is_some_and(|text| text.starts_with("NULL-1: ")), "{shown}");
    let (text, _) = run(&format!("{args} --steps 30"), 1);
    assert!(text.contains("  its last steps:\n\n    CPU0  ") && text.contains("  src/mm/rmap.rs:"));
}

/// Where nothing leads from a page that is under way to where it belongs, none is.
#[test]
fn what_cannot_migrate_does_not() {
    let run =
        &runs("stress --protocol 2.6.7 --threads 1 --operations 1000 --without pin,swapoff", 0)[0];
    assert!(asks(run, "store") && !asks(run, "migrate") && !asks(run, "compact"), "{run}");
}

#[test]
fn threads_are_compared_with_and_without_a_global_lock() {
    let table = good("stress --scaling --operations 1000 --ascii");
    let rows: Vec<Vec<_>> = table
        .lines()
        .skip_while(|line| !line.contains("threads  global lock"))
        .skip(1)
        .map(|line| line.split_whitespace().take(2).collect())
        .collect();
    let wanted: Vec<_> =
        ["1", "2", "4"].iter().flat_map(|n| [vec![*n, "no"], vec![*n, "yes"]]).collect();
    assert_eq!(rows, wanted, "{table}");
    assert!(table.is_ascii(), "{table}");
    let run = &runs("stress --threads 2 --operations 2000 --global-lock --no-delays", 0)[0];
    assert_eq!(
        (&run["threads"], &run["global_lock"], &run["delays"], &run["operations"]),
        (&2.into(), &true.into(), &false.into(), &2000.into())
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(
        refused("stress --without pins")
            .starts_with("error: no operation is called 'pins'; they are store, load, ")
    );
    assert!(refused("stress --threads 0").contains("0 is not in 1..=32"));
    assert!(refused("stress --operations 0").contains("0 is not in 1.."));
    assert!(refused("stress --protocol 2.6.35").contains("2.6.35"));
    assert!(refused("stress --operations 1 --time 1s").contains("cannot be used with"));
    assert!(refused("stress --scaling --threads 2").contains("cannot be used with"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_and_says_what_was_done() {
    let mut command = lockwalk("stress --threads 2 --time 10m");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(1000));
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill(1)").success());
    let output = child.wait_with_output().expect("it ends");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(STOPPED), "{stdout}\n{stderr}");
    assert!(stdout.contains(" operations in ") && stdout.contains("nothing violated"), "{stdout}");
    assert_eq!(stderr, "stopped: only what is printed was done\n");
}
