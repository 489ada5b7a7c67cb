//! `lockwalk`, the command line. It parses, calls the library and prints; what it says is the library's.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
