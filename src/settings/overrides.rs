//! `<NAME>_ENABLED` and `<NAME>_URL`: settings of pools that are not known yet when the settings are loaded.
//!
//! Promises: another program's `FOO_URL` in the environment never stops the start, because only the overrides of pools
//! that exist are looked at; in a TOML file, which is ours alone, one that belongs to no pool can be found.

use std::fmt;

use super::error::SettingsError;
use super::redact::redact_url;
use super::{SettingLine, Settings, values};

/// What the settings say about one pool, over its file.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PoolOverride {
    /// `<NAME>_ENABLED`: whether the pool is polled.
    pub enabled: Option<bool>,
    /// `<NAME>_URL`: the address as it was written, because `{wallet}` and `{secret:NAME}` stand for something else.
    pub url: Option<String>,
}

impl fmt::Debug for PoolOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_deref().map(redact_url);
        f.debug_struct("PoolOverride").field("enabled", &self.enabled).field("url", &url).finish()
    }
}

impl Settings {
    /// What is set for the pool with this prefix, such as `CPU_POOL`; see `PoolName::env_prefix`.
    ///
    /// # Errors
    /// When one of the two values is not allowed.
    pub fn pool_override(&self, env_prefix: &str) -> Result<PoolOverride, SettingsError> {
        let enabled = self.override_value(&format!("{env_prefix}_ENABLED"), values::boolean, "true or false")?;
        let url = self.override_value(
            &format!("{env_prefix}_URL"),
            |text| values::web_url(text, &["http", "https"]).map(|_| text.to_owned()),
            "an http:// or https:// address",
        )?;
        Ok(PoolOverride { enabled, url })
    }

    /// Reads one override, if it is set.
    fn override_value<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        allowed: &str,
    ) -> Result<Option<T>, SettingsError> {
        let is_fixed = super::KEYS.iter().any(|key| key.name == name);
        match self.raw.values.get(name) {
            // A pool named `database` does not get the database's address.
            Some(raw) if !is_fixed => {
                let invalid = || SettingsError::invalid(name, &raw.text, &raw.origin, allowed);
                parse(&raw.text).map(Some).ok_or_else(invalid)
            }
            _ => Ok(None),
        }
    }

    /// The override keys in TOML files that belong to none of the pools, each as the error that it is.
    #[must_use]
    pub fn unused_overrides_from_files<S: AsRef<str>>(&self, known_prefixes: &[S]) -> Vec<SettingsError> {
        let is_known = |key: &str| {
            let name = key.to_ascii_uppercase();
            let prefix = name.strip_suffix("_ENABLED").or_else(|| name.strip_suffix("_URL")).unwrap_or_default();
            known_prefixes.iter().any(|known| known.as_ref() == prefix)
        };
        let unknown = self.raw.file_overrides.iter().filter(|(key, _)| !is_known(key));
        let to_error = |(key, origin): &(String, _)| SettingsError::UnknownKey {
            key: key.clone(),
            origin: Clone::clone(origin),
            hint: Some("there is no pool of this name".to_owned()),
        };
        unknown.map(to_error).collect()
    }

    /// The overrides that are set for the pool with this prefix, secrets masked.
    #[must_use]
    pub fn describe_override(&self, env_prefix: &str) -> Vec<SettingLine> {
        let names = [format!("{env_prefix}_ENABLED"), format!("{env_prefix}_URL")];
        names.iter().filter(|name| self.raw.values.contains_key(*name)).map(|name| self.line(name)).collect()
    }
}
