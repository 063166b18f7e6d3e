//! The real program as a black box: against simulated pools and a simulated game server over real HTTP and WebSocket, on
//! real databases.

mod account;
mod basics;
mod bench;
mod process;
mod rows;

mod apart;
mod awards;
mod bombs;
mod check;
mod commands;
mod corpus;
mod crash;
mod delivery;
mod demo;
mod doubts;
mod faults;
mod healthcheck;
mod interop;
mod metrics;
mod page;
mod payments;
mod pile;
mod progress;
mod readme;
mod readme_commands;
mod refusals;
mod reload;
mod roster;
mod schemas;
mod service_manager;
mod shapes;
mod shutdown;
mod soak;
mod status;
mod weather;

use basics::{DEADLINE, amount, eventually, money, on_both_engines};
