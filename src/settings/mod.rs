//! The settings: layers of literal texts in, typed and checked values out (SPEC.md section 7).
//!
//! Promises: a `Settings` that exists is usable; no error, `Debug`, warning or dump shows a password or token; no decimal
//! passes through a binary float. Leaves to others: whether a directory is there, a database answers, a pool exists.

mod build;
mod change;
mod database_url;
mod dotenv;
mod error;
mod keys;
mod layers;
mod overrides;
mod redact;
mod secrets;
mod value_file;
mod values;
mod warnings;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::domain::payout::{FirstReading, Policy};
use crate::domain::{Amount, Currency, Rate};
use crate::notify::Signer;

pub use change::is_taken_over;
pub use database_url::{Backend, DatabaseUrl};
pub use error::{EXIT_CONFIG, Origin, SettingsError};
pub use keys::{FILE_SUFFIX, KEYS, Key, RATE_SUFFIX, Shown};
pub use layers::{LoadOptions, SYSTEM_CONFIG_FILE};
pub use overrides::PoolOverride;
pub use redact::redact_url;
pub use values::{LogFormat, SnapshotPolicy};
pub use warnings::SettingWarning;

use error::mask;
use layers::Values;

/// Everything an operator can set. `config/default.toml` says the same of each in more words.
#[derive(Clone)]
pub struct Settings {
    /// `DATABASE_URL`: where players, events and positions are.
    pub database_url: DatabaseUrl,
    /// `AUTO_MIGRATE`: whether `run` may bring a PostgreSQL schema up to date by itself, and take over the replaced service's
    /// tables on either engine.
    pub auto_migrate: bool,
    /// `SOCKETIO_URL`: the game server; its scheme chooses the protocol. `None`: nothing is sent, events wait. Its query
    /// may hold a token, so show it through [`redact_url`].
    pub socketio_url: Option<Url>,
    /// `SOCKETIO_AUTH_TOKEN`: what the daemon authenticates itself with to the game server.
    pub socketio_auth_token: Option<SecretString>,
    /// `SOCKETIO_NAMESPACE`: the Socket.IO namespace that is connected to.
    pub socketio_namespace: String,
    /// `SOCKETIO_CA_FILE`: the certificate authorities that vouch for the game server. `None`: those of the system.
    pub socketio_ca_file: Option<PathBuf>,
    /// `NOTIFY_ACK_TIMEOUT`: how long an acknowledgement may take before an event is sent again.
    pub notify_ack_timeout: Duration,
    /// `NOTIFY_MAX_ATTEMPTS`: sendings of one event before it is given up. `None`: never given up.
    pub notify_max_attempts: Option<NonZeroU32>,
    /// `NOTIFY_SIGNING_SECRET`: what each payload is signed with. `None`: payloads carry no signature.
    pub notify_signer: Option<Signer>,
    /// `NOTIFY_WEBHOOK_URL`: where events are posted to instead of through a socket; then there is no `socketio_url`, and there is
    /// a signer. Its query may hold a token, so show it through [`redact_url`].
    pub notify_webhook_url: Option<Url>,
    /// `POLL_INTERVAL_SECONDS`: from the beginning of one cycle to the next.
    pub poll_interval: Duration,
    /// `POOL_REQUEST_TIMEOUT`: for one whole request, unless the pool's file sets its own.
    pub pool_request_timeout: Duration,
    /// `POOL_CONTACT`: the mail address or page that pools are told in the `User-Agent`.
    pub pool_contact: Option<String>,
    /// `POOLS_DIR`: where further pool files are. `None`: `config/pools` of the working directory.
    pub pools_dir: Option<PathBuf>,
    /// `AP_PER_ADVC`: Adventure Points per ADVC.
    pub ap_per_advc: Rate,
    /// `MIN_PAYOUT_DELTA`: a rise of at most this much ADVC waits until more has come together.
    pub min_payout_delta: Amount,
    /// `MAX_PAYOUT_DELTA`: a rise of more than this much ADVC is held; always above the minimum.
    pub max_payout_delta: Amount,
    /// `FIRST_READING`: what the first reading of a wallet means.
    pub first_reading: FirstReading,
    /// `SNAPSHOT_POLICY`: when a snapshot row is written.
    pub snapshot_policy: SnapshotPolicy,
    /// `SNAPSHOT_RETENTION_DAYS`: the age in days at which snapshots are deleted. `None`: never.
    pub snapshot_retention_days: Option<NonZeroU32>,
    /// `STATUS_LISTEN`: where the status page, metrics and health are served. `None`: nowhere.
    pub status_listen: Option<SocketAddr>,
    /// `LOG_LEVEL`: the least important level that this program logs.
    pub log_level: tracing::Level,
    /// `LOG_FORMAT`: the form of the log.
    pub log_format: LogFormat,
    /// `<CUR>_TO_ADVC_RATE`: ADVC per unit of each currency but ADVC itself; see [`Settings::rate`].
    rates: BTreeMap<Currency, Rate>,
    /// The texts behind all of this.
    raw: Values,
}

/// One setting as it is in force, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingLine {
    /// The variable.
    pub name: String,
    /// Its value with secrets masked; empty when it is not set.
    pub value: String,
    /// The layer that set it.
    pub origin: Origin,
}

impl Settings {
    /// Reads all layers and checks every value.
    ///
    /// # Errors
    /// The first fault found: a file that is unreadable or malformed, an unknown key of a file, a value that is not allowed.
    pub fn load(options: &LoadOptions) -> Result<Self, SettingsError> {
        build::build(Values::read(options)?, options)
    }

    /// What the money rule needs to know.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            first_reading: self.first_reading,
            min_payout_delta: self.min_payout_delta,
            max_payout_delta: self.max_payout_delta,
            ap_per_advc: self.ap_per_advc,
        }
    }

    /// ADVC per unit of a currency, if it is known. ADVC itself is always one.
    #[must_use]
    pub fn rate(&self, currency: &Currency) -> Option<Rate> {
        if currency.as_str() == Currency::ADVC { Some(Rate::ONE) } else { self.rates.get(currency).copied() }
    }

    /// All rates that are set, by currency. ADVC is not among them.
    #[must_use]
    pub fn rates(&self) -> &BTreeMap<Currency, Rate> {
        &self.rates
    }

    /// What is allowed and yet most likely not meant.
    #[must_use]
    pub fn warnings(&self) -> Vec<SettingWarning> {
        let mut all = self.raw.warnings.clone();
        all.extend(warnings::warnings(self));
        all
    }

    /// Logs what is allowed and yet most likely not meant.
    pub fn log_warnings(&self) {
        for warning in self.warnings() {
            tracing::warn!(setting = warning.name, detail = warning.message, "setting_warning");
        }
    }

    /// Every setting as it was loaded, secrets masked: first those with fixed names, then the rates. The pools' overrides
    /// are not among them, because only the list of pools can tell them from foreign variables; see
    /// [`Settings::describe_override`].
    #[must_use]
    pub fn describe(&self) -> Vec<SettingLine> {
        let rates = self.raw.values.keys().filter(|name| name.ends_with(RATE_SUFFIX));
        let names = KEYS.iter().map(|key| key.name).chain(rates.map(String::as_str));
        names.map(|name| self.line(name)).collect()
    }

    /// One setting as it was loaded.
    fn line(&self, name: &str) -> SettingLine {
        let (value, origin) = match self.raw.values.get(name) {
            Some(raw) => (mask(name, &raw.text), raw.origin.clone()),
            None => (String::new(), Origin::Default),
        };
        SettingLine { name: name.to_owned(), value, origin }
    }
}

/// Shows what [`Settings::describe`] gives, so that no field can bring a secret to light.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.describe().into_iter().map(|line| (line.name, line.value))).finish()
    }
}
