//! `lockwalk stress`. What threads meet is the machine's to say: only what does not depend on that
//! is wanted here, or what nearly any meeting shows.

use serde_json::Value;

use super::{good, lockwalk, refused};

#[test]
fn one_thread_violates_nothing() {
    let text = good("stress --threads 1 --operations 3000 --seed 7");
    assert!(
        text.contains("3,000 operations in 3 worlds")
            && text.ends_with("a sample of what this machine does\n"),
        "{text}"
    );
    let json = |args: &str| -> Value { serde_json::from_str(&good(args)).expect("JSON") };
    let run = &json("stress --threads 1 --operations 3000 --seed 7 --format json")["runs"][0];
    assert_eq!((&run["verdict"], &run["operations"]), (&"not-seen".into(), &3000.into()), "{run}");
    let without =
        &json("stress --threads 1 --operations 1000 --without pin,fork --format json")["runs"][0];
    assert!(
        !without["kinds"].to_string().contains("\"fork\"")
            && run["kinds"].to_string().contains("\"fork\""),
        "{without}"
    );
}

/// vma_adjust takes no lock: what a walk misses then, an audit or a clause sees, in some of so many
/// worlds.
#[test]
fn a_broken_protocol_is_found() {
    let args = "stress --protocol 2.6.34 --threads 2 --time 60s --without pin --format json";
    let output = lockwalk(args).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let run = &json["runs"][0];
    assert_eq!(run["verdict"], "violated");
    assert!(run["finding"]["last"].as_array().is_some_and(|last| !last.is_empty()), "{run}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(
        refused("stress --without pins")
            .starts_with("error: no operation is called 'pins'; they are store, load, ")
    );
    assert!(refused("stress --threads 0").contains("0 is not in 1..=32"));
    assert!(refused("stress --scaling --threads 2").contains("cannot be used with"));
}
