//! Signals, as futures that are injected where they are needed.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of a process that a second signal ended at once.
pub const EXIT_SECOND_SIGNAL: i32 = 130;

/// The signals of a daemon. Made early: before that, SIGUSR1 would end the process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// A closed terminal ends the program as SIGTERM does, and not in the middle of something.
    hangup: Signal,
    /// SIGUSR1: dump the metrics.
    pub dump: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            dump: signal(SignalKind::user_defined1())?,
        })
    }

    /// Splits off the future that ends at the first SIGTERM, SIGINT or SIGHUP. From then on a second one ends the process at once,
    /// which is safe: every repeat is.
    pub fn into_shutdown(self) -> (impl Future<Output = &'static str> + 'static, Signal) {
        let Self { mut terminate, mut interrupt, mut hangup, dump } = self;
        let shutdown = async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hangup.recv() => "SIGHUP",
            };
            actix_rt::spawn(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                std::process::exit(EXIT_SECOND_SIGNAL);
            });
            name
        };
        (shutdown, dump)
    }
}
