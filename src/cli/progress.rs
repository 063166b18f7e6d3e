//! What a person at a terminal sees of work that takes long.
//!
//! On standard error, only where that is a terminal, and only after a second: a command that is quick says what came of it and
//! nothing else.

use std::future::Future;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

use crate::store::Progress;

/// Work that is over sooner is not shown.
const SHOWN_AFTER: Duration = Duration::from_secs(1);
/// Between two turns of the sign of life.
const TICK: Duration = Duration::from_millis(100);
const OF_KNOWN_LENGTH: &str = "{msg} [{bar:30}] {human_pos} of {human_len}, {eta} left";
const OF_UNKNOWN_LENGTH: &str = "{spinner} {msg}, {elapsed}";
const COUNTED: &str = "{spinner} {msg}: {human_pos}, {elapsed}";

/// The line that is shown. It goes with this value.
pub(super) struct Bar {
    bar: ProgressBar,
    shown: JoinHandle<()>,
}

impl Bar {
    /// One that says `what` is done.
    pub(super) fn new(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_message(what);
        bar.set_style(style(OF_UNKNOWN_LENGTH));
        let later = bar.clone();
        let shown = actix_rt::spawn(async move {
            tokio::time::sleep(SHOWN_AFTER).await;
            later.set_draw_target(ProgressDrawTarget::stderr());
            later.enable_steady_tick(TICK);
        });
        Self { bar, shown }
    }

    /// Shows how far the work is.
    pub(super) fn observe(&self, progress: Progress) {
        match progress {
            Progress::Begins { what, of } => {
                self.bar.reset();
                self.bar.set_message(what);
                match of {
                    Some(of) => self.bar.set_length(of),
                    None => self.bar.unset_length(),
                }
                self.bar.set_style(style(if of.is_some() { OF_KNOWN_LENGTH } else { OF_UNKNOWN_LENGTH }));
            }
            Progress::Went(by) => {
                if self.bar.length().is_none() {
                    self.bar.set_style(style(COUNTED));
                }
                self.bar.inc(by);
            }
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.shown.abort();
        self.bar.finish_and_clear();
    }
}

/// Does `work`, and shows that `what` is done if it takes long.
pub(super) async fn during<T>(what: &'static str, work: impl Future<Output = T>) -> T {
    let _bar = Bar::new(what);
    work.await
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants; one that could not be read would only look different.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
