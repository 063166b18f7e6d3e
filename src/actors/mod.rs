//! The four actors and what keeps them going.
//!
//! ```text
//! Scheduler --PollNow--> Pool --RecordObservations--> Ledger --RewardsReady--> Notifier --frame--> game server
//!     ^---PollFinished---'   ^-------Recorded---------'  ^--NextUndelivered / RecordDelivery--'  ^----ack----'
//! ```
//!
//! Actors are shells: a handler unpacks, asks a rule of `domain` or a plain component of `pools`, `store` or `notify`, and acts
//! on the result. A message lives beside the actor that receives it. Neighbours are `Recipient`s, so that each actor can be
//! driven alone.

pub mod ledger;
pub mod notifier;
pub mod pool;
pub mod scheduler;
pub mod supervision;

use actix::Message;

/// Asks an actor for its figures, as a JSON object.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "serde_json::Value")]
pub struct ReportMetrics;

/// Asks an actor for the durations that it has measured: a pool's answers, the ledger's commits, the notifier's acknowledgements.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "crate::metrics::Durations")]
pub struct ReportDurations;

/// Asks an actor for a sign of life: it is answered as soon as the mailbox is read.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Ping;

/// Every actor answers in the same way.
macro_rules! answers_ping {
    ($actor:ty) => {
        impl actix::Handler<crate::actors::Ping> for $actor {
            type Result = ();

            fn handle(&mut self, _: crate::actors::Ping, _ctx: &mut Self::Context) {}
        }
    };
}
use answers_ping;

/// A figure's structure as JSON; one that cannot be shown is shown as null.
fn as_json(metrics: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(metrics).unwrap_or_default()
}
