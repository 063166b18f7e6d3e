//! From the configured URL to the address that is dialled. Pure.
//!
//! `http(s)://` means Socket.IO below the URL's path, `ws(s)://` means plain WebSocket at the URL as it stands. User and
//! password leave the URL and become an `Authorization: Basic` header; a fragment is dropped. What an [`Endpoint`] shows,
//! with `Display` or `Debug`, holds neither password nor query, since a query may carry a key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use tokio_tungstenite::tungstenite::http::Uri;
use url::Url;

/// The path of every Socket.IO server that was not told otherwise.
const SOCKET_IO_PATH: &str = "/socket.io";
/// Parameters that are the protocol's own; what the configured URL says of them is replaced.
const RESERVED_PARAMETERS: [&str; 4] = ["EIO", "transport", "sid", "t"];

/// How the game server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Socket.IO protocol 5 over Engine.IO 4.
    SocketIo,
    /// One JSON object a text frame.
    WebSocket,
    /// One HTTP POST an event, to a URL that is not an [`Endpoint`].
    Webhook,
}

impl Protocol {
    /// The name for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SocketIo => "socketio",
            Self::WebSocket => "websocket",
            Self::Webhook => "webhook",
        }
    }
}

/// Why a URL cannot be dialled. Never shows the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// A scheme that names no protocol.
    #[error("the scheme must be http, https, ws or wss")]
    Scheme,
    /// Nobody to dial.
    #[error("the URL names no host")]
    Host,
    /// Characters that cannot stand in an HTTP request.
    #[error("the URL has characters that an HTTP request cannot carry")]
    Characters,
}

/// An address that can be dialled.
#[derive(Clone)]
pub struct Endpoint {
    protocol: Protocol,
    url: Url,
    credentials: Option<SecretString>,
}

impl Endpoint {
    /// Takes the configured URL apart.
    ///
    /// # Errors
    /// When the URL can never be dialled.
    pub fn parse(configured: &Url) -> Result<Self, EndpointError> {
        let (protocol, mut url) = match configured.scheme() {
            "http" | "https" => (Protocol::SocketIo, socket_io_url(configured)?),
            "ws" | "wss" => (Protocol::WebSocket, configured.clone()),
            _ => return Err(EndpointError::Scheme),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err(EndpointError::Host);
        }
        let credentials = basic_credentials(&url);
        url.set_fragment(None);
        // Both fail only for URLs that cannot have a host.
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| EndpointError::Host)?;
        url.as_str().parse::<Uri>().map_err(|_| EndpointError::Characters)?;
        Ok(Self { protocol, url, credentials })
    }

    /// How the server is spoken to.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The `ws(s)://` URL without user, password and fragment. Its query may hold a key: not for logs.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The value of the `Authorization` header, when the configured URL had a user or a password.
    pub(super) fn credentials(&self) -> Option<&SecretString> {
        self.credentials.as_ref()
    }
}

/// `wss://game.example/base/socket.io/`: what may be logged.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(self.url.path())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// The WebSocket URL of the Socket.IO server at `base`: `http(s)` becomes `ws(s)`, `/socket.io/` is appended to the path
/// unless it is there already, and the protocol's parameters to the query. User and password stay where they are.
///
/// # Errors
/// When the scheme is neither `http` nor `https`.
pub fn socket_io_url(base: &Url) -> Result<Url, EndpointError> {
    let scheme = match base.scheme() {
        "http" => "ws",
        "https" => "wss",
        _ => return Err(EndpointError::Scheme),
    };
    let mut url = base.clone();
    url.set_scheme(scheme).map_err(|()| EndpointError::Scheme)?;
    let path = base.path().trim_end_matches('/');
    let path = path.strip_suffix(SOCKET_IO_PATH).unwrap_or(path);
    url.set_path(&format!("{path}{SOCKET_IO_PATH}/"));
    let own = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && !RESERVED_PARAMETERS.contains(&name)
    };
    let mut query: Vec<&str> = base.query().unwrap_or_default().split('&').filter(own).collect();
    query.extend(["EIO=4", "transport=websocket"]);
    url.set_query(Some(&query.join("&")));
    Ok(url)
}

fn basic_credentials(url: &Url) -> Option<SecretString> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(format!("Basic {}", STANDARD.encode(pair)).into())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::parse(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn socket_io_urls_are_built_as_its_own_clients_build_them() {
        for (base, url) in [
            ("http://localhost:3000", "ws://localhost:3000/socket.io/?EIO=4&transport=websocket"),
            ("https://game.example", "wss://game.example/socket.io/?EIO=4&transport=websocket"),
            ("https://game.example:8443/", "wss://game.example:8443/socket.io/?EIO=4&transport=websocket"),
            ("http://h/base", "ws://h/base/socket.io/?EIO=4&transport=websocket"),
            ("http://h/base/", "ws://h/base/socket.io/?EIO=4&transport=websocket"),
            ("http://h/base/socket.io/", "ws://h/base/socket.io/?EIO=4&transport=websocket"),
            ("http://h/socket.io", "ws://h/socket.io/?EIO=4&transport=websocket"),
            ("http://h/?key=a%20b&EIO=3&sid=x", "ws://h/socket.io/?key=a%20b&EIO=4&transport=websocket"),
            ("http://[::1]:3000", "ws://[::1]:3000/socket.io/?EIO=4&transport=websocket"),
            ("http://h:80", "ws://h/socket.io/?EIO=4&transport=websocket"),
            ("http://h/#top", "ws://h/socket.io/?EIO=4&transport=websocket"),
        ] {
            let endpoint = endpoint(base);
            assert_eq!((endpoint.protocol(), endpoint.url().as_str()), (Protocol::SocketIo, url), "{base}");
        }
    }

    #[test]
    fn a_websocket_url_stands_as_it_is() {
        let endpoint = endpoint("wss://game.example/feed?a=1#x");
        assert_eq!(endpoint.protocol(), Protocol::WebSocket);
        assert_eq!(endpoint.url().as_str(), "wss://game.example/feed?a=1");
        assert!(endpoint.credentials().is_none());
    }

    #[test]
    fn user_and_password_become_a_header_and_are_never_shown() {
        for base in ["https://user:p%40ss@h/base?key=hidden", "wss://user:p%40ss@h/base?key=hidden"] {
            let endpoint = endpoint(base);
            assert!(!endpoint.url().as_str().contains("ss@"));
            assert_eq!(endpoint.credentials().unwrap().expose_secret(), "Basic dXNlcjpwQHNz");
            let shown = format!("{endpoint} {endpoint:?}");
            assert!(shown.contains("wss://h/base") && !shown.contains("p@ss") && !shown.contains("hidden"), "{shown}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_an_error() {
        for (text, error) in [
            ("ftp://h/", EndpointError::Scheme),
            ("mailto:a@b", EndpointError::Scheme),
            ("localhost:3000", EndpointError::Scheme),
        ] {
            assert_eq!(Endpoint::parse(&text.parse().unwrap()).unwrap_err(), error, "{text}");
        }
    }
}
