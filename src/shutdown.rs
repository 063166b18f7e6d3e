//! Signals, as futures that are injected where they are needed.

use std::future::Future;
use std::io::{self, IsTerminal as _};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// The exit code of a process that a second signal ended at once.
pub const EXIT_SECOND_SIGNAL: i32 = 130;

/// The signals of a daemon. Made early: before that, SIGUSR1 would end the process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    dump: Signal,
    /// Standard input is a terminal, whose end is told by a SIGHUP.
    has_terminal: bool,
}

/// What a daemon is asked for while it runs.
pub struct Asks {
    /// SIGUSR1: dump the metrics. Several that come close together are one.
    pub dump: mpsc::Receiver<()>,
    /// SIGHUP: read the settings again. Several that come close together are one.
    pub reload: mpsc::Receiver<()>,
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
            has_terminal: io::stdin().is_terminal(),
        })
    }

    /// The future that ends at the first SIGTERM or SIGINT, and what else is asked for as long as that future is polled. From
    /// then on a second signal ends the process at once, which is safe: every repeat is.
    ///
    /// SIGHUP asks for a reload. Where it tells that the terminal is gone, it ends the program as SIGTERM does, and not in the
    /// middle of something.
    pub fn into_shutdown_and_asks(self) -> (impl Future<Output = &'static str> + 'static, Asks) {
        let Self { terminate, interrupt, mut hangup, dump: mut wished, has_terminal } = self;
        let (sender, reload) = mpsc::channel(1);
        let (dump_sender, dump) = mpsc::channel(1);
        let dumps = async move {
            while wished.recv().await.is_some() {
                // Full: a dump is about to be made.
                let _ = dump_sender.try_send(());
            }
            std::future::pending().await
        };
        let terminal_gone = async move {
            while hangup.recv().await.is_some() {
                if has_terminal && !io::stdin().is_terminal() {
                    return;
                }
                // Full: a reload is about to be done.
                let _ = sender.try_send(());
            }
            std::future::pending().await
        };
        let terminal_gone = async move {
            tokio::select! {
                () = terminal_gone => {}
                () = dumps => {}
            }
        };
        (shutdown(terminate, interrupt, terminal_gone), Asks { dump, reload })
    }

    /// The future that ends at the first SIGTERM, SIGINT or SIGHUP, for a command that has nothing to reload.
    pub fn into_shutdown(self) -> impl Future<Output = &'static str> + 'static {
        let Self { terminate, interrupt, mut hangup, .. } = self;
        shutdown(terminate, interrupt, async move {
            hangup.recv().await;
        })
    }
}

async fn shutdown(mut terminate: Signal, mut interrupt: Signal, terminal_gone: impl Future<Output = ()>) -> &'static str {
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = terminal_gone => "SIGHUP",
    };
    actix_rt::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(EXIT_SECOND_SIGNAL);
    });
    name
}
