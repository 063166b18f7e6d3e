//! Why the connection is down. Pure.

use std::io;
use std::time::Duration;

use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::http::StatusCode;

/// Why the connection is down. No variant holds a secret or a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// The settings can never work; nothing was tried and nothing will be.
    #[error("the settings cannot be used: {message}")]
    Unusable {
        /// What is wrong with them.
        message: String,
    },
    /// Nobody answered at the address.
    #[error("cannot connect: {message}")]
    Unreachable {
        /// The system's words.
        message: String,
    },
    /// The server was not ready within the connect timeout.
    #[error("not connected within {timeout:?}")]
    ConnectTimedOut {
        /// The timeout.
        timeout: Duration,
    },
    /// TLS failed: a certificate that is not trusted, or a peer that speaks no TLS.
    #[error("TLS failed: {message}")]
    Tls {
        /// What TLS says.
        message: String,
    },
    /// The server does not want us, usually because of the token.
    #[error("refused by the server: {message}")]
    Refused {
        /// The server's words, or its HTTP status.
        message: String,
    },
    /// The upgrade to WebSocket was answered with an HTTP status.
    #[error("the server answered HTTP {status} instead of a WebSocket")]
    HttpStatus {
        /// The status.
        status: u16,
    },
    /// The server asks not to be asked for a while.
    #[error("the server answered HTTP {status} and asks to wait")]
    Busy {
        /// The status.
        status: u16,
    },
    /// The server speaks something else than the configured protocol.
    #[error("protocol error: {message}")]
    Protocol {
        /// What was wrong.
        message: String,
    },
    /// The server closed the connection in good order.
    #[error("closed by the server")]
    ClosedByServer {
        /// The WebSocket close code, if one was given.
        code: Option<u16>,
    },
    /// The server put us out of the namespace.
    #[error("disconnected by the server")]
    Disconnected,
    /// The network or the server went away.
    #[error("connection lost: {message}")]
    Lost {
        /// The system's words.
        message: String,
    },
    /// No sign of life for too long.
    #[error("no sign of life for {silence:?}")]
    HalfOpen {
        /// How long.
        silence: Duration,
    },
    /// The server does not read what we write.
    #[error("the server took nothing for {stalled:?}")]
    WriteStalled {
        /// How long.
        stalled: Duration,
    },
    /// The server sent a frame above our limit.
    #[error("the server sent a frame above the limit")]
    FrameTooLarge,
    /// The caller closed the connection.
    #[error("stopped")]
    Stopped,
}

impl DownReason {
    /// The metric label.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unusable { .. } => "unusable",
            Self::Unreachable { .. } => "unreachable",
            Self::ConnectTimedOut { .. } => "connect_timeout",
            Self::Tls { .. } => "tls",
            Self::Refused { .. } => "refused",
            Self::HttpStatus { .. } => "http_status",
            Self::Busy { .. } => "busy",
            Self::Protocol { .. } => "protocol",
            Self::ClosedByServer { .. } => "closed_by_server",
            Self::Disconnected => "disconnected",
            Self::Lost { .. } => "lost",
            Self::HalfOpen { .. } => "half_open",
            Self::WriteStalled { .. } => "write_stalled",
            Self::FrameTooLarge => "frame_too_large",
            Self::Stopped => "stopped",
        }
    }

    /// Whether asking again soon is pointless: a person has to change something first.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// A TCP connection that did not come about.
    pub(super) fn from_connect(error: &io::Error) -> Self {
        Self::Unreachable { message: error.to_string() }
    }

    /// A failure of the TLS or WebSocket handshake.
    pub(super) fn from_upgrade(error: WsError) -> Self {
        match error {
            WsError::Http(response) => match response.status() {
                status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                    Self::Refused { message: format!("HTTP {}", status.as_u16()) }
                }
                status => Self::HttpStatus { status: status.as_u16() },
            },
            WsError::Io(error) if is_tls(&error) => Self::Tls { message: error.to_string() },
            WsError::Tls(error) => Self::Tls { message: error.to_string() },
            WsError::Io(error) => Self::from_connect(&error),
            // The peer answered something that is no HTTP response to an upgrade.
            other => Self::Protocol { message: other.to_string() },
        }
    }

    /// A failure of an open connection.
    pub(super) fn from_open(error: WsError) -> Self {
        match error {
            WsError::ConnectionClosed | WsError::AlreadyClosed => Self::ClosedByServer { code: None },
            WsError::Capacity(_) => Self::FrameTooLarge,
            other => Self::Lost { message: other.to_string() },
        }
    }
}

pub(super) fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}
