//! What every test of the program needs: waiting with a deadline, exact numbers, both engines.

use std::thread;
use std::time::{Duration, Instant};

use entity::Money;
use pool_poller::domain::Amount;
use sea_orm::prelude::Decimal;

/// Far more than anything takes: it only keeps a broken program from hanging the tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
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
pub(crate) use on_both_engines;

/// Looks until there is something.
///
/// # Panics
/// When there is nothing after `within`.
pub(crate) fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        thread::sleep(LOOK);
    }
}

pub(crate) fn amount(text: &str) -> Amount {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn money(text: &str) -> Money {
    Money(text.parse::<Decimal>().unwrap_or_else(|error| panic!("{text}: {error}")))
}
