//! What a game server says, from the text of a frame to its meaning.

#[path = "../../src/notify/answer.rs"]
mod answer;
#[path = "../../src/notify/resume.rs"]
pub mod resume;
#[path = "../../src/notify/socketio.rs"]
pub mod socketio;
#[path = "../../src/notify/websocket.rs"]
pub mod websocket;
