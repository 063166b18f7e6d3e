//! How the game server is reached. What is secret here is never shown.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::endpoint::Endpoint;
use super::signing::Signer;
use super::socketio::DEFAULT_NAMESPACE;

/// How to reach the game server.
#[derive(Clone)]
pub struct ConnectionSettings {
    /// `http(s)://` for Socket.IO, `ws(s)://` for plain WebSocket. A user and password become HTTP Basic authentication.
    pub url: Url,
    /// Sent as `{"token": …}` in Socket.IO's handshake, as `Authorization: Bearer` on a plain WebSocket.
    pub auth_token: Option<SecretString>,
    /// Socket.IO's namespace.
    pub namespace: String,
    /// The certificate authorities that are trusted, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Signs each payload.
    pub signer: Option<Signer>,
    /// The longest time from the first packet to a link that is up.
    pub connect_timeout: Duration,
    /// The shortest delay between two attempts.
    pub reconnect_min: Duration,
    /// The longest delay between two attempts; a server that refuses us is always given this long.
    pub reconnect_max: Duration,
    /// The longest silence that passes for a living link.
    pub idle_max: Duration,
}

impl ConnectionSettings {
    /// Settings without a token and with the usual times: reconnect after 1 to 30 seconds, half-open after 45.
    #[must_use]
    pub fn new(url: Url, connect_timeout: Duration) -> Self {
        Self {
            url,
            auth_token: None,
            namespace: DEFAULT_NAMESPACE.to_owned(),
            ca_file: None,
            signer: None,
            connect_timeout,
            reconnect_min: Duration::from_secs(1),
            reconnect_max: Duration::from_secs(30),
            idle_max: Duration::from_secs(45),
        }
    }
}

/// Shows neither token nor password nor query.
impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSettings")
            .field("endpoint", &Endpoint::parse(&self.url))
            .field("has_auth_token", &self.auth_token.is_some())
            .field("namespace", &self.namespace)
            .field("ca_file", &self.ca_file)
            .field("is_signed", &self.signer.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("reconnect_min", &self.reconnect_min)
            .field("reconnect_max", &self.reconnect_max)
            .field("idle_max", &self.idle_max)
            .finish()
    }
}
