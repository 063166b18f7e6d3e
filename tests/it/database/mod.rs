//! The store on both engines: what the tables are, what every statement does, and what holds after any history.

mod balance;
mod bench;
mod book;
mod connections;
mod contention;
mod game_sql;
mod histories;
mod limits;
mod listed;
mod listed_histories;
mod outbox;
mod plans;
mod replay;
mod schema;
mod shared_wallets;
mod sizes;

/// Makes of each function that takes a [`bench::Bench`] two tests, one on each engine.
macro_rules! on_both_engines {
    ($($claim:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $claim() {
                super::$claim(crate::database::bench::Bench::sqlite().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $claim() {
                super::$claim(crate::database::bench::Bench::postgres().await).await;
            })*
        }
    };
}
use on_both_engines;
