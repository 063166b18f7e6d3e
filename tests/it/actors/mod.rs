//! Each actor alone: small actors of the test stand in place of its neighbours.
//!
//! Where no socket and no database takes part, time is paused: it jumps to the next timer whenever nothing else is to be
//! done, so an hour costs nothing and every moment is exact. The ledger owns the database; its tests run in real time.

mod bench;
mod ledger_bench;
mod ledger_commits;
mod ledger_drain;
mod ledger_faults;
mod log;
mod notifier_bench;
mod notifier_delivery;
mod notifier_drain;
mod notifier_flow;
mod notifier_link;
mod notifier_resume;
mod notifier_retries;
mod pool_batches;
mod pool_bench;
mod pool_breaker;
mod pool_drain;
mod pool_feed;
mod pool_limits;
mod pool_memory;
mod pool_network;
mod pool_pace;
mod pool_panics;
mod pool_rounds;
mod pool_spread;
mod restarts;
mod scheduler_bench;
mod scheduler_cycles;
mod scheduler_faults;
mod scheduler_roster;
