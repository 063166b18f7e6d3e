//! What the service manager (systemd) is told: that the daemon is ready, what it is doing, that it lives, that it stops.
//!
//! Promises: without `NOTIFY_SOCKET` nothing is sent and nobody is asked; a message that cannot be sent is logged once and stops
//! nothing. Leaves to others: when which of it is true.

use std::cell::Cell;
use std::time::Duration;

use sd_notify::NotifyState;

/// The way to the service manager.
#[derive(Debug, Default)]
pub struct ServiceManager {
    /// A failed message was logged.
    complained: Cell<bool>,
}

impl ServiceManager {
    /// The service manager that started this process, if it wants to be told anything.
    #[must_use]
    pub fn of_process() -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()).map(|_| Self::default())
    }

    /// The daemon does its work from here on.
    pub fn ready(&self) {
        self.send(&NotifyState::Ready);
    }

    /// The daemon reads its settings again; [`Self::ready`] ends that.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send_all(&[NotifyState::Reloading, now]),
            Err(error) => self.complain(&error),
        }
    }

    /// What the daemon is doing, in one line for a person.
    pub fn status(&self, line: &str) {
        // A line end would begin another message.
        self.send(&NotifyState::Status(&line.split_whitespace().collect::<Vec<_>>().join(" ")));
    }

    /// The daemon is ending.
    pub fn stopping(&self) {
        self.send(&NotifyState::Stopping);
    }

    /// The daemon lives.
    pub fn lives(&self) {
        self.send(&NotifyState::Watchdog);
    }

    /// After so long without a sign of life the process is killed, if at all.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())
    }

    fn send(&self, message: &NotifyState<'_>) {
        self.send_all(std::slice::from_ref(message));
    }

    fn send_all(&self, messages: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(messages) {
            self.complain(&error);
        }
    }

    fn complain(&self, error: &std::io::Error) {
        if !self.complained.replace(true) {
            tracing::warn!(%error, "service_manager_unreachable");
        }
    }
}
