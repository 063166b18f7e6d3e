//! What the pools together know about the network, and who wants to hear of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::PoolName;
use crate::domain::network::{Change, Network, Reach};

/// Shared by all pools of the program. A clone is the same one.
#[derive(Debug, Clone)]
pub struct NetworkWatch {
    state: Rc<RefCell<Network>>,
    /// How often the network was lost or came back: an odd number while it is gone.
    turns: watch::Sender<u64>,
    clock: Clock,
}

/// The figures for a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NetworkMetrics {
    /// Whether the machine's network is gone now.
    pub offline: bool,
    /// How often it was gone.
    pub losses: u64,
    /// How long in all.
    pub offline_seconds: u64,
}

impl NetworkWatch {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { state: Rc::default(), turns: watch::Sender::new(0), clock }
    }

    /// `pool` is one of those that are asked.
    pub(super) fn expect(&self, pool: &PoolName) {
        self.state.borrow_mut().expect(pool, self.clock.now());
    }

    /// `pool` is asked no more.
    pub fn forget(&self, pool: &PoolName) {
        self.state.borrow_mut().forget(pool);
    }

    /// Tells how far a request to `pool` came.
    pub(super) fn note(&self, pool: &PoolName, reach: Reach) {
        let change = self.state.borrow_mut().note(pool, reach, self.clock.now());
        match change {
            Some(Change::Lost) => {
                tracing::warn!("network_unreachable");
            }
            Some(Change::Back(gone)) => {
                let offline_ms = u64::try_from(gone.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(offline_ms, "network_back");
            }
            None => return,
        }
        self.turns.send_modify(|turns| *turns += 1);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.turns() % 2 == 1
    }

    /// How often that has changed.
    pub(super) fn turns(&self) -> u64 {
        *self.turns.borrow()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    /// The figures.
    #[must_use]
    pub fn metrics(&self) -> NetworkMetrics {
        let state = self.state.borrow();
        let gone: Duration = state.gone(self.clock.now());
        NetworkMetrics { offline: state.is_lost(), losses: state.losses(), offline_seconds: gone.as_secs() }
    }
}
