//! The connection to the game server; it knows no actors and no database.
//!
//! [`connection::run`] keeps one WebSocket open, in one of two dialects: Socket.IO ([`socketio`]) for an `http(s)://` URL,
//! one JSON object a text frame ([`websocket`]) for a `ws(s)://` URL. [`webhook::run`] does the same over HTTP, one POST an
//! event. [`MiningReward`] is what travels.
//!
//! Promised here: a broken, refused or half-open link is noticed, reported with its reason and opened again, for ever;
//! memory is bounded; neither the token nor the password of the URL appears in any text that leaves this module.
//! Left to the caller: which event is sent when, the acknowledgement timeout, and sending again what was not acknowledged.

pub mod connection;
pub mod endpoint;
pub mod message;
pub mod payload;
pub mod reason;
pub mod resume;
pub mod settings;
pub mod signing;
pub mod socketio;
pub mod trust;
pub mod webhook;
pub mod websocket;

mod answer;
mod dialer;
mod link;
mod outlet;
mod redact;
mod session;
#[cfg(test)]
mod test_server;

pub use connection::run;
pub use endpoint::{Endpoint, EndpointError, Protocol};
pub use message::{Command, ConnectionEvent};
pub use payload::{MINING_REWARD, MiningReward};
pub use reason::DownReason;
pub use settings::ConnectionSettings;
pub use signing::Signer;
pub use webhook::WebhookSettings;
