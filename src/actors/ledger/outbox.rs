//! The ledger's part of the outbox: which awards are due, what became of notices, and what a game server says it has.

use actix::prelude::*;
use sea_orm::DatabaseConnection;
use tokio::sync::oneshot;

use super::{Ledger, LedgerError, Work};
use crate::domain::{EventId, PlayerId};
use crate::store::outbox::{self, Attempt, Look};
use crate::store::resume::Resumed;
use crate::store::{StoreError, begin_to_write, now_utc};

/// Asks for awards that are due to be told, from the player `from` on and without the players in `except`.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "Result<Look, LedgerError>")]
pub struct NextUndelivered {
    /// The first player to visit.
    pub from: PlayerId,
    /// Players of whom a notice is under way.
    pub except: Vec<PlayerId>,
    /// At most this many.
    pub limit: usize,
}

impl Handler<NextUndelivered> for Ledger {
    type Result = ResponseFuture<Result<Look, LedgerError>>;

    fn handle(&mut self, message: NextUndelivered, _ctx: &mut Self::Context) -> Self::Result {
        let db = self.db.clone();
        Box::pin(async move {
            let NextUndelivered { from, except, limit } = message;
            outbox::look(&db, from, &except, limit, now_utc()).await.map_err(|error| LedgerError::Database(error.to_string()))
        })
    }
}

/// Asks how many awards wait to be told.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<u64, LedgerError>")]
pub struct CountWaiting;

impl Handler<CountWaiting> for Ledger {
    type Result = ResponseFuture<Result<u64, LedgerError>>;

    fn handle(&mut self, _: CountWaiting, _ctx: &mut Self::Context) -> Self::Result {
        let db = self.db.clone();
        Box::pin(async move { outbox::waiting(&db).await.map_err(|error| LedgerError::Database(error.to_string())) })
    }
}

/// Hands over what became of notices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Message)]
#[rtype(result = "Result<(), LedgerError>")]
pub struct RecordDelivery {
    /// Acknowledged by the game server.
    pub acknowledged: Vec<EventId>,
    /// Sent and not acknowledged.
    pub attempts: Vec<Attempt>,
    /// Rows that cannot be read and are given up.
    pub unreadable: Vec<i64>,
}

impl Handler<RecordDelivery> for Ledger {
    type Result = ResponseFuture<Result<(), LedgerError>>;

    fn handle(&mut self, delivery: RecordDelivery, ctx: &mut Self::Context) -> Self::Result {
        let (reply, outcome) = oneshot::channel();
        self.queue.push(Work::Deliver { delivery, reply });
        self.pump(ctx);
        Box::pin(async move { outcome.await.unwrap_or(Err(LedgerError::Restarted)) })
    }
}

pub(super) async fn store_delivery(db: &DatabaseConnection, delivery: &RecordDelivery) -> Result<(), StoreError> {
    // Together: each statement by itself would wait for the disk.
    let transaction = begin_to_write(db).await?;
    outbox::mark_notified(&transaction, &delivery.acknowledged).await?;
    outbox::record_attempts(&transaction, &delivery.attempts).await?;
    outbox::give_up(&transaction, &delivery.unreadable).await?;
    transaction.commit().await?;
    Ok(())
}

/// Hands over what a game server says that it has: the last sequence of each player, at most
/// [`crate::store::resume::PLAYERS_PER_STATEMENT`] of them.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "Result<Resumed, LedgerError>")]
pub struct RecordResume(pub Vec<(PlayerId, i64)>);

impl Handler<RecordResume> for Ledger {
    type Result = ResponseFuture<Result<Resumed, LedgerError>>;

    fn handle(&mut self, RecordResume(last): RecordResume, ctx: &mut Self::Context) -> Self::Result {
        let (reply, outcome) = oneshot::channel();
        self.queue.push(Work::Resume { last, reply });
        self.pump(ctx);
        Box::pin(async move { outcome.await.unwrap_or(Err(LedgerError::Restarted)) })
    }
}
