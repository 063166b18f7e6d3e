//! Opens the WebSocket: TCP, TLS where the URL asks for it, and the HTTP upgrade.
//!
//! TLS is rustls with the ring provider and the authorities of [`trust`]. The token of a plain WebSocket goes out as an
//! `Authorization: Bearer` header, before which the URL's own user and password give way; Socket.IO sends its token later,
//! in its CONNECT packet.

use std::sync::Arc;

use rustls::ClientConfig;
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use url::Host;

use super::endpoint::{Endpoint, Protocol};
use super::reason::DownReason;
use super::settings::ConnectionSettings;
use super::trust;

/// The longest message a server may send, in bytes. Its acknowledgements are short; only a broadcast comes near.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Writes are gathered up to this many bytes.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// What the write buffer may hold while the peer does not read: one full buffer and the longest message of ours.
const WRITE_BUFFER_BYTES_MAX: usize = 1024 * 1024;
const READ_BUFFER_BYTES: usize = 16 * 1024;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Everything that can be settled before the first attempt.
pub(super) struct Dialer {
    endpoint: Endpoint,
    authorization: Option<HeaderValue>,
    tls: Arc<ClientConfig>,
}

impl Dialer {
    /// Fails with [`DownReason::Unusable`] when no attempt could ever succeed.
    pub(super) fn new(settings: &ConnectionSettings) -> Result<Self, DownReason> {
        let unusable = |message: String| DownReason::Unusable { message };
        let endpoint = Endpoint::parse(&settings.url).map_err(|error| unusable(error.to_string()))?;
        let bearer = match (endpoint.protocol(), &settings.auth_token) {
            (Protocol::WebSocket, Some(token)) => Some(format!("Bearer {}", token.expose_secret())),
            _ => endpoint.credentials().map(|credentials| credentials.expose_secret().to_owned()),
        };
        let authorization = bearer
            .map(|text| HeaderValue::from_str(&text))
            .transpose()
            .map_err(|_| unusable("the token has characters that an HTTP header cannot carry".into()))?
            .map(|mut value| {
                value.set_sensitive(true);
                value
            });
        let roots = trust::authorities(settings.ca_file.as_deref()).map_err(|error| unusable(format!("the CA file: {error}")))?;
        let tls = trust::client_config(roots).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { endpoint, authorization, tls: Arc::new(tls) })
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.endpoint.protocol()
    }

    /// One attempt. The caller limits its time and may drop it at any point.
    pub(super) async fn dial(&self) -> Result<Socket, DownReason> {
        let tcp = self.connect_tcp().await?;
        // An award is one small frame, and somebody waits for it.
        tcp.set_nodelay(true).map_err(|error| DownReason::from_connect(&error))?;
        let mut request = self.endpoint.url().as_str().into_client_request().map_err(DownReason::from_upgrade)?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let tls = Connector::Rustls(Arc::clone(&self.tls));
        let upgraded = client_async_tls_with_config(request, tcp, Some(limits), Some(tls)).await;
        upgraded.map(|(socket, _response)| socket).map_err(DownReason::from_upgrade)
    }

    async fn connect_tcp(&self) -> Result<TcpStream, DownReason> {
        let url = self.endpoint.url();
        let port = url.port_or_known_default().unwrap_or(80);
        let connected = match url.host() {
            Some(Host::Domain(name)) => TcpStream::connect((name, port)).await,
            Some(Host::Ipv4(address)) => TcpStream::connect((address, port)).await,
            Some(Host::Ipv6(address)) => TcpStream::connect((address, port)).await,
            None => return Err(DownReason::Unusable { message: "the URL names no host".into() }),
        };
        connected.map_err(|error| DownReason::from_connect(&error))
    }
}
