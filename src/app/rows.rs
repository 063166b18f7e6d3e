//! The newest rows of the database, for the status page.
//!
//! Promises: at most one read is under way, whoever asks and however often; a database that does not answer holds nobody up for
//! long; reading takes a small part of the time, also where much waits.

use std::rc::Rc;
use std::time::Duration;

use sea_orm::DatabaseConnection;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::figures::ANSWER_MAX;
use crate::store::recent::{Recent, recent};

/// Events and anomalies that are shown.
const SHOWN: u64 = 20;
/// How much longer than it took to read it a result is good for.
const GOOD_FOR: u32 = 20;
/// The longest time for which a result is good.
const GOOD_FOR_MAX: Duration = Duration::from_secs(30);
/// How long a failure is good for.
const FAILURE_GOOD_FOR: Duration = Duration::from_secs(1);

/// What was read, or why it was not.
pub(super) type Read = Result<Rc<Recent>, String>;

/// The way to the newest rows.
pub(super) struct Rows {
    db: DatabaseConnection,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The newest result and until when it is good.
    last: Option<(Read, Instant)>,
    /// A read that was not waited for to its end. Dropping a query could cost its connection.
    running: Option<JoinHandle<(Read, Duration)>>,
}

impl Rows {
    pub(super) fn new(db: DatabaseConnection) -> Self {
        Self { db, state: Mutex::default() }
    }

    /// The rows as they are now, or were a moment ago.
    pub(super) async fn read(&self) -> Read {
        let mut state = self.state.lock().await;
        if let Some((read, _)) = state.last.as_ref().filter(|(_, until)| Instant::now() < *until) {
            return read.clone();
        }
        let mut running = state.running.take().unwrap_or_else(|| self.begin());
        let (read, good_for) = match tokio::time::timeout(ANSWER_MAX, &mut running).await {
            Ok(Ok((read, took))) => {
                let good_for = if read.is_ok() { (took * GOOD_FOR).min(GOOD_FOR_MAX) } else { FAILURE_GOOD_FOR };
                (read, good_for)
            }
            Ok(Err(error)) => (Err(error.to_string()), FAILURE_GOOD_FOR),
            Err(_) => {
                state.running = Some(running);
                (Err(format!("no answer within {} s", ANSWER_MAX.as_secs())), FAILURE_GOOD_FOR)
            }
        };
        state.last = Some((read.clone(), Instant::now() + good_for));
        read
    }

    fn begin(&self) -> JoinHandle<(Read, Duration)> {
        let db = self.db.clone();
        actix_rt::spawn(async move {
            let began = Instant::now();
            let read = recent(&db, SHOWN).await.map(Rc::new).map_err(|error| error.to_string());
            (read, began.elapsed())
        })
    }
}
