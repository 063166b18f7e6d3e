//! Settings that are allowed and yet most likely not what was meant.

use crate::domain::payout::FirstReading;

use super::values::is_loopback;
use super::{Settings, keys};

/// Something an operator should know about the settings. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingWarning {
    /// The variable.
    pub name: &'static str,
    /// What is odd about it, as a sentence.
    pub message: String,
}

/// What looks odd in valid settings.
pub(super) fn warnings(settings: &Settings) -> Vec<SettingWarning> {
    let mut found = Vec::new();
    let mut warn = |key: keys::Key, message: &str| found.push(SettingWarning { name: key.name, message: message.to_owned() });
    if settings.pool_request_timeout > settings.poll_interval {
        warn(keys::POOL_REQUEST_TIMEOUT, "a slow pool may take longer than POLL_INTERVAL_SECONDS and will then miss cycles");
    }
    if settings.database_url.is_in_memory() {
        warn(keys::DATABASE_URL, "the database is in memory: everything is lost when the process ends");
    }
    if settings.database_url.is_in_root_directory() {
        warn(
            keys::DATABASE_URL,
            "sqlite:/// names a file in the root directory; a file in the working directory has two slashes, sqlite://FILE",
        );
    }
    let in_the_clear =
        settings.socketio_url.as_ref().is_some_and(|url| matches!(url.scheme(), "http" | "ws") && !is_loopback(url));
    if in_the_clear && settings.socketio_auth_token.is_some() {
        warn(keys::SOCKETIO_URL, "the token is sent unencrypted to another machine; use https:// or wss://");
    }
    if settings.notify_webhook_url.as_ref().is_some_and(|url| url.scheme() == "http" && !is_loopback(url)) {
        warn(keys::NOTIFY_WEBHOOK_URL, "events are sent unencrypted to another machine; use https://");
    }
    let is_plain_websocket = settings.socketio_url.as_ref().is_some_and(|url| matches!(url.scheme(), "ws" | "wss"));
    if is_plain_websocket && settings.socketio_namespace != "/" {
        warn(keys::SOCKETIO_NAMESPACE, "a plain WebSocket has no namespaces; it is for http:// and https:// addresses");
    }
    if settings.socketio_url.is_none() && settings.notify_webhook_url.is_none() {
        warn(keys::SOCKETIO_URL, "it is empty: no player is notified, the events wait in the database");
    }
    if settings.first_reading == FirstReading::Award {
        warn(keys::FIRST_READING, "everything that a pool ever paid to a wallet is awarded when the wallet is first seen");
    }
    if settings.status_listen.is_some_and(|address| !address.ip().is_loopback()) {
        warn(
            keys::STATUS_LISTEN,
            "the status page, with players' names, figures and health are shown to everybody who reaches this address",
        );
    }
    found
}
