//! The connection keeper: one link to the game server, opened again whenever it breaks.
//!
//! [`run`] promises:
//! - every change of the link is reported, each [`ConnectionEvent::Down`] with its reason and the delay before the next attempt;
//! - a half-open link is noticed within [`ConnectionSettings::idle_max`], a peer that does not read within 5 seconds;
//! - [`Command::Close`] and a closed command channel end it within a second, whatever the network does;
//! - memory is bounded, and a listener that does not read its events slows the link down instead of filling memory.
//!
//! Left to the caller: events sent while the link is down, or stuck with a full outbox, are dropped without a word, and so
//! is whatever was under way when the link broke. The caller sends again after [`ConnectionEvent::Up`] and after its own
//! acknowledgement timeout. The same event may be acknowledged more than once. A caller that waits for room for a command
//! goes on reading events meanwhile.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use super::dialer::Dialer;
use super::link::{Link, Wire};
use super::message::{Command, ConnectionEvent};
use super::outlet::Outlet;
use super::reason::DownReason;
use super::redact::Redactor;
use super::session::{Session, Step};
use super::settings::ConnectionSettings;
use crate::domain::EventId;
use crate::domain::backoff::Backoff;

/// A link that lasted this long was a success: the delays begin again at the shortest.
const STABLE_AFTER: Duration = Duration::from_secs(5);
/// How long a good-bye may take: what is in the outbox, the closing frames, and the peer's answer.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// Keeps the connection until told to close. `entropy` is uniform over all of `u32` and spreads the delays.
///
/// Ends only on [`Command::Close`], when the command channel or the event channel is closed, or when the settings can
/// never work; the last event is then a `Down` without `retry_in`.
pub async fn run(
    settings: ConnectionSettings,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<ConnectionEvent>,
    mut entropy: impl FnMut() -> u32,
) {
    let outlet = Outlet::new(events);
    let dialer = match Dialer::new(&settings) {
        Ok(dialer) => dialer,
        Err(reason) => return outlet.finish(ConnectionEvent::Down { reason, retry_in: None }),
    };
    let mut backoff = Backoff::new(settings.reconnect_min, settings.reconnect_max);
    let redactor = Redactor::new(&settings);
    let mut keeper = Keeper { settings, dialer, redactor, commands, outlet };
    while let End::Broken { reason, lasted } = keeper.keep_one_link().await {
        if lasted >= STABLE_AFTER {
            backoff.reset();
        }
        let delay = if reason.is_refusal() { keeper.settings.reconnect_max } else { backoff.next_delay(entropy()) };
        keeper.outlet.push(ConnectionEvent::Down { reason, retry_in: Some(delay) });
        if keeper.pause(delay).await.is_none() {
            break;
        }
    }
    keeper.outlet.finish(ConnectionEvent::Down { reason: DownReason::Stopped, retry_in: None });
}

/// How a link ended.
enum End {
    /// The caller wants no more.
    Stopped,
    /// It broke, or never came about.
    Broken { reason: DownReason, lasted: Duration },
}

struct Keeper {
    settings: ConnectionSettings,
    dialer: Dialer,
    redactor: Redactor,
    commands: mpsc::Receiver<Command>,
    outlet: Outlet,
}

impl Keeper {
    async fn keep_one_link(&mut self) -> End {
        let limit = self.settings.connect_timeout;
        let deadline = Instant::now() + limit;
        let dialing = timeout_at(deadline, self.dialer.dial());
        let dialed = while_down(dialing, &mut self.commands, &mut self.outlet).await;
        let socket = match dialed {
            None => return End::Stopped,
            Some(Ok(Ok(socket))) => socket,
            Some(Ok(Err(reason))) => return End::Broken { reason, lasted: Duration::ZERO },
            Some(Err(_elapsed)) => {
                return End::Broken { reason: DownReason::ConnectTimedOut { timeout: limit }, lasted: Duration::ZERO };
            }
        };
        let mut open = OpenLink {
            link: Link::new(socket, self.settings.idle_max),
            session: Session::new(self.dialer.protocol(), &self.settings.namespace, self.settings.auth_token.clone()),
            up_since: None,
        };
        match self.serve(&mut open, deadline).await {
            Ok(()) => {
                if !open.link.is_congested() {
                    // The link closes in good order or not at all; there is nobody left to tell.
                    let _ = timeout(FAREWELL_MAX, self.say_goodbye(&mut open)).await;
                }
                End::Stopped
            }
            Err(reason) => End::Broken { reason, lasted: open.up_since.map_or(Duration::ZERO, |since| since.elapsed()) },
        }
    }

    /// Serves an open link until the caller stops it (`Ok`) or it breaks.
    async fn serve(&mut self, open: &mut OpenLink, handshake_deadline: Instant) -> Result<(), DownReason> {
        let first = open.session.start();
        self.take(open, first)?;
        loop {
            let reads = self.outlet.has_room() && open.link.has_room_for_answers();
            if !reads {
                open.link.excuse_silence();
            }
            let mut wake = open.link.next_deadline();
            if open.up_since.is_none() {
                wake = wake.min(handshake_deadline);
            }
            let takes_commands = open.link.has_room() || open.link.is_congested();
            // In this order: what has arrived is looked at before a clock may call the link dead.
            tokio::select! {
                biased;
                command = self.commands.recv(), if takes_commands => match command {
                    None | Some(Command::Close) => return Ok(()),
                    Some(Command::Send { event_id, payload }) => self.send(open, event_id, payload),
                },
                listens = self.outlet.hand_over(), if !self.outlet.is_empty() => if !listens { return Ok(()) },
                wire = open.link.step(reads) => self.on_wire(open, wire?)?,
                () = sleep_until(wake) => {
                    if open.up_since.is_none() && Instant::now() >= handshake_deadline {
                        return Err(DownReason::ConnectTimedOut { timeout: self.settings.connect_timeout });
                    }
                    open.link.keep_alive()?;
                }
            }
        }
    }

    fn send(&mut self, open: &mut OpenLink, event_id: EventId, mut payload: String) {
        if open.up_since.is_none() || !open.link.has_room() {
            return;
        }
        if let Some(signer) = &self.settings.signer {
            payload = signer.embed(event_id, unix_seconds(), &payload);
        }
        match open.session.send(event_id, &payload) {
            Ok(frame) => open.link.push(Message::text(frame)),
            // Without room the refusal is lost like the event would be: the caller's timeout finds out.
            Err(message) if self.outlet.has_room() => self.outlet.push(ConnectionEvent::Nacked { event_id, message }),
            Err(_) => {}
        }
    }

    fn on_wire(&mut self, open: &mut OpenLink, wire: Wire) -> Result<(), DownReason> {
        match wire {
            Wire::Received(Message::Text(text)) => match open.session.on_text(text.as_str(), &self.redactor) {
                Ok(step) => {
                    open.link.packet_received();
                    self.take(open, step)
                }
                Err(kind) => {
                    self.outlet.push(ConnectionEvent::Unintelligible { kind });
                    Ok(())
                }
            },
            Wire::Received(Message::Close(frame)) => {
                Err(DownReason::ClosedByServer { code: frame.map(|frame| frame.code.into()) })
            }
            // Pings are answered by the WebSocket layer; binary frames are attachments of events that nobody reads.
            Wire::Received(_) | Wire::Drained => Ok(()),
        }
    }

    fn take(&mut self, open: &mut OpenLink, step: Step) -> Result<(), DownReason> {
        match step {
            Step::Nothing => {}
            Step::Write(frame) => open.link.push(Message::text(frame)),
            Step::Report(event) => self.outlet.push(event),
            Step::Answer(frame, event) => {
                open.link.push(Message::text(frame));
                self.outlet.push(event);
            }
            Step::Up { sid, last } => {
                open.up_since = Some(Instant::now());
                open.link.expect_packets(open.session.silence_max());
                self.outlet.push(ConnectionEvent::Up { protocol: self.dialer.protocol(), sid });
                if !last.is_empty() {
                    self.outlet.push(ConnectionEvent::Resume { last });
                }
            }
            Step::Down(reason) => return Err(reason),
        }
        Ok(())
    }

    /// Closes the link in the protocol's way and reads on until the peer closes too, so that the last acknowledgements count.
    async fn say_goodbye(&mut self, open: &mut OpenLink) -> Result<(), DownReason> {
        if let Some(farewell) = open.session.farewell() {
            open.link.push(Message::text(farewell));
        }
        open.link.push(Message::Close(None));
        loop {
            let wire = open.link.step(self.outlet.has_room()).await?;
            self.on_wire(open, wire)?;
        }
    }

    /// Waits before the next attempt, and until the listener has heard everything. `None` when the caller stops.
    async fn pause(&mut self, delay: Duration) -> Option<()> {
        while_down(sleep(delay), &mut self.commands, &mut self.outlet).await?;
        while !self.outlet.is_empty() {
            tokio::select! {
                biased;
                command = self.commands.recv() => if is_end(command.as_ref()) { return None },
                listens = self.outlet.hand_over() => if !listens { return None },
            }
        }
        Some(())
    }
}

struct OpenLink {
    link: Link,
    session: Session,
    up_since: Option<Instant>,
}

/// Does `work` while there is no link: drops what should be sent, hands over events. `None` when the caller stops.
pub(super) async fn while_down<T>(
    work: impl Future<Output = T>,
    commands: &mut mpsc::Receiver<Command>,
    outlet: &mut Outlet,
) -> Option<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => if is_end(command.as_ref()) { return None },
            listens = outlet.hand_over(), if !outlet.is_empty() => if !listens { return None },
            done = &mut work => return Some(done),
        }
    }
}

/// The time of day that a signature is made at.
pub(super) fn unix_seconds() -> i64 {
    chrono::Utc::now().timestamp()
}

pub(super) fn is_end(command: Option<&Command>) -> bool {
    !matches!(command, Some(Command::Send { .. }))
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "dialect_tests.rs"]
mod dialect_tests;
