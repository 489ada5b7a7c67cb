//! What the figures were measured with, and on.

use std::fs;
use std::thread::available_parallelism;

/// The engines' versions, the machine, and how busy it is: figures without these say little.
///
/// ```
/// assert!(lockwalk_bench::host().starts_with("loom 0."));
/// ```
pub fn host() -> String {
    let cores = available_parallelism().map_or(1, usize::from);
    let cores = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    let cpu = read("/proc/cpuinfo", |line| {
        line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned())
    });
    let load = read("/proc/loadavg", |line| {
        line.split(' ').next().map(|load| format!("load {load} before"))
    });
    let build = if cfg!(debug_assertions) { Some("not optimised".to_owned()) } else { None };
    let facts = [
        Some(format!("loom {}", version("loom"))),
        Some(format!("shuttle {}", version("shuttle"))),
        cpu,
        Some(format!("{cores}, {}-{}", std::env::consts::ARCH, std::env::consts::OS)),
        load,
        build,
    ];
    facts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn read(path: &str, find: impl Fn(&str) -> Option<String>) -> Option<String> {
    fs::read_to_string(path).ok()?.lines().find_map(find)
}

/// The version that this was built with.
fn version(package: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{package}\""));
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = \""));
    version.map_or("unknown", |version| version.trim_end_matches('"'))
}
