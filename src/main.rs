//! The `pool-poller` program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    pool_poller::cli::main()
}
