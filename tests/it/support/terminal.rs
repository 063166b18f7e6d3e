//! A program on a terminal of its own.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{required_env, tests_file};

/// `program` on a terminal, ready to be started: see `on_a_terminal.py`. With `log`, its standard error goes into that file.
pub(crate) fn on_a_terminal(program: &Command, log: Option<&Path>) -> Command {
    let mut python = Command::new(required_env("POOL_POLLER_TEST_PYTHON"));
    python.arg(tests_file("it/support/on_a_terminal.py")).arg(log.map_or(OsStr::new(""), Path::as_os_str));
    python.arg(program.get_program()).args(program.get_args());
    python.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
    if let Some(folder) = program.get_current_dir() {
        python.current_dir(folder);
    }
    python.stdin(Stdio::piped()).stdout(Stdio::piped());
    python
}
