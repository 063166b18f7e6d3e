//! A player's client of a Socket.IO server: it waits in the player's room for what the game server relays.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use pool_poller::notify::socketio::{PONG, Packet, decode, encode_connect};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// The client; its thread ends when the server does or nobody listens.
pub(crate) struct Player {
    received: Receiver<Value>,
}

impl Player {
    /// Connects, and is in the room when this returns.
    pub(crate) fn join(port: u16, player_id: i32) -> Self {
        let (sender, received) = channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let url = format!("ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket");
                let (mut socket, _) = connect_async(url).await.expect("a connection");
                while let Some(Ok(message)) = socket.next().await {
                    let Message::Text(text) = message else { continue };
                    let answer = match decode(text.as_str()).expect("a packet") {
                        Packet::Open { .. } => encode_connect("/", Some(&json!({ "player_id": player_id }).to_string())),
                        Packet::Ping => PONG.to_owned(),
                        Packet::Connect { .. } if sender.send(Value::Null).is_ok() => continue,
                        Packet::Event { data, .. } => {
                            let data: Value = serde_json::from_str(&data).expect("JSON");
                            if sender.send(data).is_err() {
                                return;
                            }
                            continue;
                        }
                        packet => panic!("{packet:?}"),
                    };
                    socket.send(Message::text(answer)).await.expect("the server reads");
                }
            });
        });
        let player = Self { received };
        assert_eq!(player.next(Duration::from_secs(30)), Some(Value::Null), "let in");
        player
    }

    /// The next event's name and arguments, or `None` when none comes in time.
    pub(crate) fn next(&self, within: Duration) -> Option<Value> {
        self.received.recv_timeout(within).ok()
    }
}
