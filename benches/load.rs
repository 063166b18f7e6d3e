//! The bench of the whole process.

use std::process::ExitCode;

#[path = "load/mod.rs"]
mod load;

fn main() -> ExitCode {
    load::main(None)
}
