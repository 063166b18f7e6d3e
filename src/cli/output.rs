//! What the commands write, without a panic when nobody reads it.

use std::fmt;
use std::io::{self, ErrorKind, Write as _};

use super::Stop;
use crate::telemetry::error_prefix;

/// Prints `text` and the end of the line on standard output. A reader that has seen enough (`| head -1`) is no failure.
///
/// # Errors
/// When it cannot be written, as on a full disk.
pub(super) fn print(text: impl fmt::Display) -> Result<(), Stop> {
    let mut output = io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Stop::failed(format!("standard output: {error}"))),
        _ => Ok(()),
    }
}

/// Says why the program ends, on standard error; in the journal as an error. When that is closed too there is nobody left to tell.
pub(super) fn complain(reason: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{}pool-poller: {reason}", error_prefix());
}
