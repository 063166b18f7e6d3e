//! One setting's value in a file of its own, as systemd's credentials and the secrets of containers come.
//!
//! Promises: what is read is the value, with nothing taken away but one line end at its end; an error names the setting and the
//! file, and never what the file holds.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::error::SettingsError;

/// Far more than any value needs: a name that leads to a device must not fill the memory.
const BYTES_MAX: u64 = 64 * 1024;

/// Reads the value that is in the file `path`, which the setting `variable` names.
pub(super) fn read(variable: &str, path: &Path) -> Result<String, SettingsError> {
    let unusable = |reason: String| SettingsError::ValueFile { variable: variable.to_owned(), path: path.to_owned(), reason };
    let bytes = bytes_of(path).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(unusable(format!("holds more than {BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| unusable("is not UTF-8 text".to_owned()))?;
    let value = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if value.is_empty() {
        return Err(unusable("is empty".to_owned()));
    }
    Ok(value.to_owned())
}

fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
