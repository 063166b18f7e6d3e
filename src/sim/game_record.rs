//! What the simulated game server remembers of its clients, and what it was told to do.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The latest offences that are remembered.
const OFFENCES_KEPT: usize = 100;

/// The protocol that an event came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Socket.IO over WebSocket.
    SocketIo,
    /// Plain WebSocket, one JSON object a text frame.
    Plain,
}

/// One `mining_reward` as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The payload without the frame around it; its numbers keep their literal text.
    pub payload: Value,
    /// The text frame.
    pub raw: String,
    /// When it arrived.
    pub at: Instant,
    /// The connection it came by, counted from 1.
    pub connection: u64,
    /// The protocol it came by.
    pub dialect: Dialect,
    /// Whether it was acknowledged.
    pub acked: bool,
}

impl Received {
    /// The payload's `event_id` as text; empty where there is none.
    #[must_use]
    pub fn event_id(&self) -> String {
        match self.payload.get("event_id") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }
}

/// What becomes of acknowledgements.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AckMode {
    /// Every event is acknowledged.
    #[default]
    Always,
    /// None is.
    Never,
    /// The next so many are not, then all are.
    DropNext(u64),
    /// Every event is refused: the acknowledgement carries `{"ok":false,"error":…}`.
    Refuse(String),
}

/// What an event is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Ack,
    Silence,
    Refuse(String),
}

/// How many clients there were and are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connections {
    /// Clients that are ready to send events now: in the namespace, or past the upgrade on plain WebSocket.
    pub current: u64,
    /// Clients that ever were.
    pub total: u64,
    /// Clients that were refused for a wrong token.
    pub refused: u64,
}

/// Something that was waited for did not come about in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wanted {wanted}, but only {reached} had come after {timeout:?}")]
pub struct TimedOut {
    /// How many were waited for.
    pub wanted: u64,
    /// How many there were at the end.
    pub reached: u64,
    /// How long was waited.
    pub timeout: Duration,
}

#[derive(Debug, Default)]
struct State {
    received: Vec<Received>,
    event_ids: HashSet<String>,
    acks: AckMode,
    connections: Connections,
    opened: u64,
    offences: Vec<String>,
    subscribers: Vec<mpsc::Sender<Received>>,
}

/// The state shared by the server's thread and the handle.
#[derive(Debug, Default)]
pub(super) struct Record {
    state: Mutex<State>,
    changed: Condvar,
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of another holder left only whole values behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a new connection.
    pub(super) fn open(&self) -> u64 {
        let mut state = self.lock();
        state.opened += 1;
        state.opened
    }

    /// Counts a client as ready until what is returned is dropped.
    pub(super) fn join(self: &Arc<Self>) -> Joined {
        let mut state = self.lock();
        state.connections.current += 1;
        state.connections.total += 1;
        drop(state);
        self.changed.notify_all();
        Joined(Arc::clone(self))
    }

    /// Counts a refused client.
    pub(super) fn refuse(&self) {
        self.lock().connections.refused += 1;
        self.changed.notify_all();
    }

    /// Notes what a client did that the protocol does not allow.
    pub(super) fn offend(&self, connection: u64, what: &str) {
        let mut state = self.lock();
        if state.offences.len() == OFFENCES_KEPT {
            state.offences.remove(0);
        }
        state.offences.push(format!("connection {connection}: {what}"));
    }

    /// Notes an event and says what to answer.
    pub(super) fn receive(&self, connection: u64, dialect: Dialect, raw: &str, payload: Value, wants_ack: bool) -> Verdict {
        let mut state = self.lock();
        let verdict = match &mut state.acks {
            AckMode::Always | AckMode::DropNext(0) => Verdict::Ack,
            AckMode::Never => Verdict::Silence,
            AckMode::DropNext(left) => {
                *left -= 1;
                Verdict::Silence
            }
            AckMode::Refuse(why) => Verdict::Refuse(why.clone()),
        };
        let acked = wants_ack && verdict == Verdict::Ack;
        let received = Received { payload, raw: raw.to_owned(), at: Instant::now(), connection, dialect, acked };
        state.event_ids.insert(received.event_id());
        state.subscribers.retain(|subscriber| subscriber.send(received.clone()).is_ok());
        state.received.push(received);
        drop(state);
        self.changed.notify_all();
        verdict
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.lock().received.clone()
    }

    pub(super) fn distinct(&self) -> u64 {
        self.lock().event_ids.len() as u64
    }

    pub(super) fn set_acks(&self, mode: AckMode) {
        self.lock().acks = mode;
    }

    pub(super) fn connections(&self) -> Connections {
        self.lock().connections
    }

    pub(super) fn offences(&self) -> Vec<String> {
        self.lock().offences.clone()
    }

    pub(super) fn subscribe(&self) -> mpsc::Receiver<Received> {
        let (sender, receiver) = mpsc::channel();
        self.lock().subscribers.push(sender);
        receiver
    }

    pub(super) fn wait_events(&self, wanted: u64, timeout: Duration) -> Result<(), TimedOut> {
        self.wait(wanted, timeout, |state| state.event_ids.len() as u64)
    }

    pub(super) fn wait_connections(
        &self,
        wanted: u64,
        timeout: Duration,
        count: impl Fn(Connections) -> u64,
    ) -> Result<(), TimedOut> {
        self.wait(wanted, timeout, |state| count(state.connections))
    }

    fn wait(&self, wanted: u64, timeout: Duration, count: impl Fn(&State) -> u64) -> Result<(), TimedOut> {
        let missing = |state: &mut State| count(state) < wanted;
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, missing);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match count(&state) {
            reached if reached < wanted => Err(TimedOut { wanted, reached, timeout }),
            _ => Ok(()),
        }
    }
}

/// A client that is ready, for as long as this lives.
pub(super) struct Joined(Arc<Record>);

impl Drop for Joined {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.connections.current = state.connections.current.saturating_sub(1);
        drop(state);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn receive(record: &Record, event_id: Value) -> Verdict {
        record.receive(1, Dialect::Plain, "", json!({ "event_id": event_id }), true)
    }

    #[test]
    fn repeated_events_count_once_among_the_distinct() {
        let record = Record::default();
        for id in [json!("a"), json!("b"), json!("a"), json!(7), json!("7")] {
            assert_eq!(receive(&record, id), Verdict::Ack);
        }
        assert_eq!((record.received().len(), record.distinct()), (5, 3));
        assert_eq!(record.wait_events(3, Duration::ZERO), Ok(()));
        let timeout = Duration::from_millis(1);
        assert_eq!(record.wait_events(4, timeout), Err(TimedOut { wanted: 4, reached: 3, timeout }));
    }

    #[test]
    fn acknowledgements_are_dropped_as_told() {
        let record = Record::default();
        record.set_acks(AckMode::DropNext(2));
        let verdicts = [0, 1, 2].map(|id| receive(&record, json!(id)));
        assert_eq!(verdicts, [Verdict::Silence, Verdict::Silence, Verdict::Ack]);
        record.set_acks(AckMode::Never);
        assert_eq!(receive(&record, json!(3)), Verdict::Silence);
        record.set_acks(AckMode::Refuse("no".into()));
        assert_eq!(receive(&record, json!(4)), Verdict::Refuse("no".into()));
        assert_eq!(record.received().iter().filter(|received| received.acked).count(), 1);
    }

    #[test]
    fn a_subscriber_that_went_away_is_forgotten() {
        let record = Record::default();
        let (kept, gone) = (record.subscribe(), record.subscribe());
        drop(gone);
        receive(&record, json!("a"));
        assert_eq!(kept.try_recv().unwrap().event_id(), "a");
        assert_eq!(record.lock().subscribers.len(), 1);
    }
}
