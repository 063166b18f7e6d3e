//! What a pool file's `{secret:NAME}` stands for: a variable that only the pool files know.
//!
//! Promises: this program's own settings are not handed out, because a pool's file taken over from elsewhere must not be able to
//! send the database's password away. Leaves to others: that a secret which is wanted is there.

use secrecy::{ExposeSecret as _, SecretString};

use super::error::{Origin, SettingsError};
use super::{FILE_SUFFIX, KEYS, Settings, value_file};

/// A variable of `.env` or the environment.
#[derive(Clone)]
pub(super) struct Variable {
    pub(super) value: SecretString,
    pub(super) origin: Origin,
}

impl Settings {
    /// The variable `name` of the environment or else of `.env`, or what is in the file that `<NAME>_FILE` names there.
    ///
    /// # Errors
    /// When both are set in one layer, or the file cannot be used.
    pub fn secret(&self, name: &str) -> Result<Option<SecretString>, SettingsError> {
        let is_own = |name: &str| KEYS.iter().any(|key| key.name == name);
        if is_own(name) || name.strip_suffix(FILE_SUFFIX).is_some_and(is_own) {
            return Ok(None);
        }
        let set = |name: &str| self.raw.variables.get(name).filter(|variable| !variable.value.expose_secret().is_empty());
        let variable = format!("{name}{FILE_SUFFIX}");
        let file = match (set(name), set(&variable)) {
            (Some(value), Some(file)) if value.origin == file.origin => {
                return Err(SettingsError::GivenTwice { name: name.to_owned(), origin: value.origin.clone() });
            }
            (Some(value), Some(file)) if file.origin != Origin::Environment => return Ok(Some(value.value.clone())),
            (_, Some(file)) => file,
            (value, None) => return Ok(value.map(|value| value.value.clone())),
        };
        let path = self.raw.working_directory.join(file.value.expose_secret());
        value_file::read(&variable, &path).map(|value| Some(value.into()))
    }
}
