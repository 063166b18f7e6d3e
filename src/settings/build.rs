//! From literal texts to [`Settings`]: each setting's type, range and the words that say so.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::domain::{Currency, Rate};
use crate::notify::{Signer, trust};

use super::error::{Origin, SettingsError};
use super::keys::{self, Key, RATE_SUFFIX};
use super::layers::{LoadOptions, Values};
use super::{DatabaseUrl, Settings, database_url, values};

const BOOLEAN: &str = "true or false (or 1/0, yes/no, on/off)";
const SECONDS: &str = "a number of seconds from 1 to 300";
const RATE: &str = "a number above 0 with at most 15 digits and 18 decimal places";

/// Checks every value. The first one that is not allowed ends it.
pub(super) fn build(raw: Values, options: &LoadOptions) -> Result<Settings, SettingsError> {
    let read = Texts { raw: &raw };
    let min_payout_delta =
        read.required(keys::MIN_PAYOUT_DELTA, values::amount, "a number of ADVC from 0 on, with at most 8 decimal places")?;
    let min_shown =
        format!("a number of ADVC above MIN_PAYOUT_DELTA, which is {min_payout_delta}, with at most 8 decimal places");
    let above_min = |text: &str| values::amount(text).filter(|max| *max > min_payout_delta);
    let notify_signer = read.optional(
        keys::NOTIFY_SIGNING_SECRET,
        Signer::parse,
        "whsec_ followed by the base64 of 24 to 64 random bytes, or empty to sign nothing",
    )?;
    let notify_webhook_url = read.optional(
        keys::NOTIFY_WEBHOOK_URL,
        values::webhook_url,
        "an http:// or https:// address without user, password and fragment, or empty",
    )?;
    if notify_webhook_url.is_some() && notify_signer.is_none() {
        return Err(
            read.contradicts(keys::NOTIFY_WEBHOOK_URL, "empty, or NOTIFY_SIGNING_SECRET must be set: every request is signed")
        );
    }
    let mut socketio_url = read.optional(
        keys::SOCKETIO_URL,
        values::game_server_url,
        "an http://, https://, ws:// or wss:// address without user, password and fragment, or empty to send nothing",
    )?;
    if notify_webhook_url.is_some() && socketio_url.take().is_some() && read.is_chosen(keys::SOCKETIO_URL) {
        return Err(read.contradicts(keys::SOCKETIO_URL, "empty where NOTIFY_WEBHOOK_URL is set: events go one way or the other"));
    }
    Ok(Settings {
        database_url: read.required(keys::DATABASE_URL, DatabaseUrl::parse, database_url::ALLOWED)?,
        auto_migrate: read.required(keys::AUTO_MIGRATE, values::boolean, BOOLEAN)?,
        socketio_url,
        socketio_auth_token: read.optional(
            keys::SOCKETIO_AUTH_TOKEN,
            |text| (!text.chars().any(char::is_control)).then(|| text.into()),
            "text without control characters, or empty for none",
        )?,
        socketio_namespace: read.required(
            keys::SOCKETIO_NAMESPACE,
            values::namespace,
            "a namespace as in /game: a slash, and then no comma, question mark, number sign or white space",
        )?,
        socketio_ca_file: read.optional(
            keys::SOCKETIO_CA_FILE,
            |text| Some(options.working_directory.join(text)).filter(|file| trust::authorities(Some(file)).is_ok()),
            "a readable file with at least one certificate in PEM form, or empty to trust whom the system trusts",
        )?,
        notify_ack_timeout: read.required(keys::NOTIFY_ACK_TIMEOUT, |text| values::seconds(text, 1..=300), SECONDS)?,
        notify_max_attempts: read.required(
            keys::NOTIFY_MAX_ATTEMPTS,
            |text| values::whole(text, 0..=1_000_000).map(NonZeroU32::new),
            "a whole number from 1 to 1000000, or 0 to never give up",
        )?,
        notify_signer,
        notify_webhook_url,
        poll_interval: read.required(
            keys::POLL_INTERVAL_SECONDS,
            |text| values::whole(text, 1..=86_400).map(|seconds| std::time::Duration::from_secs(seconds.into())),
            "a whole number of seconds from 1 to 86400",
        )?,
        pool_request_timeout: read.required(keys::POOL_REQUEST_TIMEOUT, |text| values::seconds(text, 1..=300), SECONDS)?,
        pool_contact: read.optional(
            keys::POOL_CONTACT,
            values::contact,
            "a mail address or an http:// or https:// address of at most 200 characters, without spaces and brackets, or empty for none",
        )?,
        pools_dir: read.optional(
            keys::POOLS_DIR,
            |text| (!text.contains('\0')).then(|| options.working_directory.join(text)),
            "a directory, or empty for config/pools in the working directory",
        )?,
        ap_per_advc: read.required(keys::AP_PER_ADVC, |text| text.parse().ok(), RATE)?,
        min_payout_delta,
        max_payout_delta: read.required(keys::MAX_PAYOUT_DELTA, above_min, &min_shown)?,
        first_reading: read.required(keys::FIRST_READING, values::first_reading, "baseline or award")?,
        snapshot_policy: read.required(keys::SNAPSHOT_POLICY, values::snapshot_policy, "every or changed")?,
        snapshot_retention_days: read.required(
            keys::SNAPSHOT_RETENTION_DAYS,
            |text| values::whole(text, 0..=36_500).map(NonZeroU32::new),
            "a whole number of days from 1 to 36500, or 0 to keep all",
        )?,
        status_listen: read.optional(
            keys::STATUS_LISTEN,
            |text| text.parse().ok(),
            "an IP address and a port, as in 127.0.0.1:9464, or empty to serve nothing",
        )?,
        log_level: read.required(keys::LOG_LEVEL, values::level, "TRACE, DEBUG, INFO, WARN, WARNING, ERROR or CRITICAL")?,
        log_format: read.required(keys::LOG_FORMAT, values::log_format, "json or text")?,
        rates: rates(&raw)?,
        raw,
    })
}

/// Looks texts up and turns what does not parse into an error.
struct Texts<'a> {
    raw: &'a Values,
}

impl Texts<'_> {
    /// A setting that must have a value; the defaults give one to each.
    fn required<T>(&self, key: Key, parse: impl Fn(&str) -> Option<T>, allowed: &str) -> Result<T, SettingsError> {
        match self.raw.values.get(key.name) {
            Some(raw) => parse(&raw.text).ok_or_else(|| SettingsError::invalid(key.name, &raw.text, &raw.origin, allowed)),
            None => Err(SettingsError::Merge { reason: format!("{} has no default", key.name) }),
        }
    }

    /// A setting that may be absent or empty, which mean the same: an upper layer can so take back a lower one's value.
    fn optional<T>(&self, key: Key, parse: impl Fn(&str) -> Option<T>, allowed: &str) -> Result<Option<T>, SettingsError> {
        match self.raw.values.get(key.name) {
            Some(raw) if !raw.text.is_empty() => self.required(key, parse, allowed).map(Some),
            _ => Ok(None),
        }
    }
}

impl Texts<'_> {
    /// Whether somebody chose this value: it is not the built-in default.
    fn is_chosen(&self, key: Key) -> bool {
        self.raw.values.get(key.name).is_some_and(|raw| raw.origin != Origin::Default)
    }

    /// The error about a value that does not go with another setting.
    fn contradicts(&self, key: Key, allowed: &str) -> SettingsError {
        match self.raw.values.get(key.name) {
            Some(raw) => SettingsError::invalid(key.name, &raw.text, &raw.origin, allowed),
            None => SettingsError::Merge { reason: format!("{} has no value", key.name) },
        }
    }
}

/// Reads every `<CUR>_TO_ADVC_RATE`.
fn rates(raw: &Values) -> Result<BTreeMap<Currency, Rate>, SettingsError> {
    let mut rates = BTreeMap::new();
    for (name, value) in &raw.values {
        let Some(prefix) = name.strip_suffix(RATE_SUFFIX) else { continue };
        let invalid = |allowed: &str| SettingsError::invalid(name, &value.text, &value.origin, allowed);
        let currency: Currency =
            prefix.parse().map_err(|_| invalid("named after a currency of 1 to 16 letters or digits, as in BTC_TO_ADVC_RATE"))?;
        let rate: Rate = value.text.parse().map_err(|_| invalid(RATE))?;
        if currency.as_str() != Currency::ADVC {
            rates.insert(currency, rate);
        } else if rate != Rate::ONE {
            return Err(invalid("1 or not set at all, because everything is counted in ADVC"));
        }
    }
    Ok(rates)
}
