//! The takeover of a database that the replaced service has been writing: its own literal DDL, its habits and its faults as
//! data, the real program, both engines.

mod crash;
mod cycles;
mod history;
mod original;
mod refusals;
mod report;
mod rows;
mod site;

/// Makes of each claim a test on SQLite and one on PostgreSQL.
macro_rules! on_both_engines {
    ($($claim:ident),* $(,)?) => {$(
        mod $claim {
            use crate::takeover::site::Site;

            #[tokio::test]
            async fn on_sqlite() {
                super::$claim(Site::sqlite()).await;
            }

            #[tokio::test]
            async fn on_postgresql() {
                super::$claim(Site::postgresql().await).await;
            }
        }
    )*};
}
use on_both_engines;
