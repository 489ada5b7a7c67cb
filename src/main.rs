//! `lockwalk`, the command line of the catalogue.

use std::process::ExitCode;

fn main() -> ExitCode {
    lockwalk::cli::main(lockwalk::races::all())
}
