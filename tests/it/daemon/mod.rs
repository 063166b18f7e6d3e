//! The real program as a black box: against simulated pools and a simulated game server over real HTTP and WebSocket, on
//! real databases.

mod account;
mod bench;
mod process;
mod rows;

mod awards;
mod commands;
mod crash;
mod delivery;
mod demo;
mod doubts;
mod faults;
mod interop;
mod metrics;
mod roster;
mod shapes;
mod shutdown;

use std::thread;
use std::time::{Duration, Instant};

use entity::Money;
use pool_poller::domain::Amount;
use sea_orm::prelude::Decimal;

/// Far more than anything takes: it only keeps a broken program from hanging the tests.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Makes of each claim a test on SQLite and one on PostgreSQL.
macro_rules! on_both_engines {
    ($($claim:ident),* $(,)?) => {$(
        mod $claim {
            use crate::daemon::bench::Engine;

            #[test]
            fn on_sqlite() {
                super::$claim(Engine::Sqlite);
            }

            #[test]
            fn on_postgresql() {
                super::$claim(Engine::PostgreSql);
            }
        }
    )*};
}
use on_both_engines;

/// Looks until there is something.
///
/// # Panics
/// When there is nothing after `within`.
fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        thread::sleep(LOOK);
    }
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn money(text: &str) -> Money {
    Money(text.parse::<Decimal>().unwrap_or_else(|error| panic!("{text}: {error}")))
}
