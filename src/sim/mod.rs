//! Simulated pools and a simulated game server: `pool-poller demo`, the tests and the benches share them.
//!
//! [`world`] is the model: who mined and was paid what, exact and reproducible from a seed. [`shapes`] turns an account
//! into the text that a pool would answer. [`pools`] serves those over real HTTP and misbehaves on request, and [`game`]
//! is a game server that takes events over a real WebSocket. Both servers listen on loopback only, on threads of their
//! own, so they serve a plain thread and another actix `System` alike.
//!
//! The framing of the game server is written apart from the client's codec in `notify`, so that each checks the other.

pub mod game;
mod game_connection;
mod game_framing;
mod game_record;
mod numbers;
pub mod pools;
mod pools_answer;
mod pools_record;
pub mod script;
pub mod shapes;
pub mod world;
mod world_config;

pub use game::{SimGame, SimGameConfig};
pub use pools::{SimPools, SimPoolsConfig};
pub use script::{Fault, Script};
pub use shapes::Shape;
pub use world::{Account, Gate, Mining, Payout, SimPool, World, WorldConfig};
