//! One open WebSocket: frames in, frames out, and its clocks.
//!
//! Nothing here waits for the peer to read: frames go into a bounded outbox, and [`Link::step`] writes and reads whatever
//! the socket allows. Three clocks notice a peer that is gone: silence of any kind (we send WebSocket pings, so a living
//! peer is never silent), silence of the protocol (Engine.IO's own pings), and a write that does not get through.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, Stream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::dialer::Socket;
use super::reason::DownReason;

/// The longest wait for the peer to take what we write.
const STALL_MAX: Duration = Duration::from_secs(5);
/// A full outbox that has not moved for this long is not going to: better to look for a command to close.
const CONGESTED_AFTER: Duration = Duration::from_millis(300);
const OUTBOX_FRAMES_MAX: usize = 256;
/// Above this many frames nothing is read that could ask for one more: a peer that pings without end does not fill memory.
const OUTBOX_FRAMES_WITH_ANSWERS_MAX: usize = 2 * OUTBOX_FRAMES_MAX;
const OUTBOX_BYTES_MAX: usize = 512 * 1024;

/// What [`Link::step`] brought.
#[derive(Debug)]
pub(super) enum Wire {
    /// A message of the peer.
    Received(Message),
    /// Everything in the outbox was written.
    Drained,
}

pub(super) struct Link {
    socket: Socket,
    outbox: VecDeque<Message>,
    outbox_bytes: usize,
    is_flushed: bool,
    last_write: Instant,
    last_heard: Instant,
    last_packet: Instant,
    last_ping: Instant,
    idle_max: Duration,
    silence_max: Option<Duration>,
}

impl Link {
    /// `idle_max` is the longest silence of any kind.
    pub(super) fn new(socket: Socket, idle_max: Duration) -> Self {
        let now = Instant::now();
        Self {
            socket,
            outbox: VecDeque::new(),
            outbox_bytes: 0,
            is_flushed: true,
            last_write: now,
            last_heard: now,
            last_packet: now,
            last_ping: now,
            idle_max,
            silence_max: None,
        }
    }

    /// From now on the peer must also send a packet of the protocol this often.
    pub(super) fn expect_packets(&mut self, silence_max: Option<Duration>) {
        self.silence_max = silence_max;
    }

    /// Whether another event may be put in the outbox.
    pub(super) fn has_room(&self) -> bool {
        self.outbox.len() < OUTBOX_FRAMES_MAX && self.outbox_bytes < OUTBOX_BYTES_MAX
    }

    /// Whether a frame may be read whose answer goes in the outbox.
    pub(super) fn has_room_for_answers(&self) -> bool {
        self.outbox.len() < OUTBOX_FRAMES_WITH_ANSWERS_MAX
    }

    /// Whether the outbox is full and has not moved for a while.
    pub(super) fn is_congested(&self) -> bool {
        !self.has_room() && self.last_write.elapsed() >= CONGESTED_AFTER
    }

    /// Puts a frame in the outbox.
    pub(super) fn push(&mut self, message: Message) {
        if self.outbox.is_empty() && self.is_flushed {
            // The stall clock runs from the moment there is something to write.
            self.last_write = Instant::now();
        }
        self.outbox_bytes += message.len();
        self.outbox.push_back(message);
    }

    /// Notes that a frame was a packet of the protocol.
    pub(super) fn packet_received(&mut self) {
        self.last_packet = Instant::now();
    }

    /// Stops the clocks of silence for the moment, because it is we who do not read.
    pub(super) fn excuse_silence(&mut self) {
        let now = Instant::now();
        self.last_heard = now;
        self.last_packet = now;
    }

    /// Writes and, with `read`, reads until something is worth telling. Cancel safe.
    pub(super) async fn step(&mut self, read: bool) -> Result<Wire, DownReason> {
        poll_fn(|cx| self.poll_step(cx, read)).await
    }

    /// When [`Self::keep_alive`] has to be called next.
    pub(super) fn next_deadline(&self) -> Instant {
        let silence = self.silence_max.map(|limit| self.last_packet + limit);
        let stall = (!self.is_flushed || !self.outbox.is_empty()).then(|| self.last_write + self.stall_max());
        let congestion = (!self.has_room() && !self.is_congested()).then(|| self.last_write + CONGESTED_AFTER);
        let clocks = [Some(self.last_heard + self.idle_max), Some(self.ping_due()), silence, stall, congestion];
        clocks.into_iter().flatten().min().unwrap_or_else(Instant::now)
    }

    /// Looks at the clocks: pings a quiet peer, and gives up one that is gone.
    pub(super) fn keep_alive(&mut self) -> Result<(), DownReason> {
        let now = Instant::now();
        if (!self.is_flushed || !self.outbox.is_empty()) && now >= self.last_write + self.stall_max() {
            return Err(DownReason::WriteStalled { stalled: self.stall_max() });
        }
        if now >= self.last_heard + self.idle_max {
            return Err(DownReason::HalfOpen { silence: self.idle_max });
        }
        if let Some(limit) = self.silence_max.filter(|limit| now >= self.last_packet + *limit) {
            return Err(DownReason::HalfOpen { silence: limit });
        }
        if now >= self.ping_due() {
            self.last_ping = now;
            self.push(Message::Ping(Vec::new().into()));
        }
        Ok(())
    }

    fn stall_max(&self) -> Duration {
        STALL_MAX.min(self.idle_max)
    }

    /// A third of the allowed silence, so that two pings may be lost.
    fn ping_due(&self) -> Instant {
        self.last_heard.max(self.last_ping) + self.idle_max / 3
    }

    fn poll_step(&mut self, cx: &mut Context<'_>, read: bool) -> Poll<Result<Wire, DownReason>> {
        if self.poll_write(cx)? {
            return Poll::Ready(Ok(Wire::Drained));
        }
        if !read {
            return Poll::Pending;
        }
        Pin::new(&mut self.socket).poll_next(cx).map(|received| match received {
            Some(Ok(message)) => {
                self.last_heard = Instant::now();
                Ok(Wire::Received(message))
            }
            Some(Err(error)) => Err(DownReason::from_open(error)),
            None => Err(DownReason::ClosedByServer { code: None }),
        })
    }

    /// Writes what the socket takes; `true` when that was the last of it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<bool, DownReason> {
        while !self.outbox.is_empty() {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(ready) => ready.map_err(DownReason::from_open)?,
            }
            let Some(message) = self.outbox.pop_front() else { break };
            self.outbox_bytes = self.outbox_bytes.saturating_sub(message.len());
            self.is_flushed = false;
            self.last_write = Instant::now();
            Pin::new(&mut self.socket).start_send(message).map_err(DownReason::from_open)?;
        }
        if self.is_flushed {
            return Ok(false);
        }
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(flushed) => {
                flushed.map_err(DownReason::from_open)?;
                self.is_flushed = true;
                Ok(true)
            }
        }
    }
}
