//! The ceiling of telling: frames of the same length there and back over the same library, as many under way as the daemon has.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async};

/// Frames under way at once, as in the daemon.
const WINDOW: usize = 256;

/// How long `count` text frames of `bytes` take.
pub(crate) fn echo(count: usize, bytes: usize) -> Duration {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    // On a thread of its own, as the game server is.
    let server = std::thread::spawn(move || {
        runtime().block_on(async {
            listener.set_nonblocking(true).expect("a socket");
            let listener = TcpListener::from_std(listener).expect("a listener");
            let (stream, _) = listener.accept().await.expect("a client");
            let mut socket = accept_async(stream).await.expect("an upgrade");
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    break;
                }
            }
        });
    });
    let took = runtime().block_on(async {
        let (socket, _) = connect_async(format!("ws://{address}")).await.expect("a connection");
        let (mut sink, mut stream) = socket.split();
        let text = "x".repeat(bytes);
        let began = Instant::now();
        let (mut sent, mut echoed) = (0, 0);
        while echoed < count {
            while sent < count && sent - echoed < WINDOW {
                sink.feed(Message::text(text.as_str())).await.expect("a frame");
                sent += 1;
            }
            sink.flush().await.expect("frames");
            stream.next().await.expect("an echo").expect("a frame");
            echoed += 1;
        }
        let took = began.elapsed();
        sink.close().await.expect("closed");
        took
    });
    server.join().expect("a server without a panic");
    took
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
