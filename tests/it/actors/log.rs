//! The log of one test: what is said on its thread is kept, and a line may be made to panic.
//!
//! A panic while a line is written stands for any panic of the code that writes it: it comes without a hook in the product.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry;

/// The lines of this thread, for as long as the value lives.
pub(crate) struct Log {
    lines: Arc<Lines>,
    _guard: DefaultGuard,
}

#[derive(Default)]
struct Lines {
    kept: Mutex<Vec<Line>>,
    panics_at: Mutex<Option<&'static str>>,
}

/// One line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    /// Its name.
    pub(crate) message: String,
    /// Its fields, `name=value` each.
    pub(crate) fields: Vec<String>,
    /// A warning or an error.
    is_warning: bool,
}

impl Log {
    /// Begins to keep what is said.
    pub(crate) fn keep() -> Self {
        let lines = Arc::new(Lines::default());
        let subscriber = registry().with(Keeper(Arc::clone(&lines)));
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines of this name.
    pub(crate) fn named(&self, message: &str) -> Vec<Line> {
        let kept = self.lines.kept.lock().expect("nobody panics while holding it");
        kept.iter().filter(|line| line.message == message).cloned().collect()
    }

    /// What was said of this name at the level of warnings or above, as the value of one field each.
    pub(crate) fn warned(&self, message: &str, field: &str) -> Vec<String> {
        let prefix = format!("{field}=");
        let field = |line: &Line| line.fields.iter().find_map(|field| Some(field.strip_prefix(&prefix)?.to_owned()));
        self.named(message).iter().filter(|line| line.is_warning).filter_map(field).collect()
    }

    /// Makes whoever writes this line panic, or nobody.
    pub(crate) fn panic_at(&self, message: Option<&'static str>) {
        *self.lines.panics_at.lock().expect("nobody panics while holding it") = message;
    }
}

struct Keeper(Arc<Lines>);

impl<S: Subscriber> Layer<S> for Keeper {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line { is_warning: *event.metadata().level() <= Level::WARN, ..Line::default() };
        event.record(&mut line);
        let panics = *self.0.panics_at.lock().expect("nobody panics while holding it") == Some(line.message.as_str());
        self.0.kept.lock().expect("nobody panics while holding it").push(line.clone());
        assert!(!panics, "the test wants a panic at {}", line.message);
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push(format!("{}={value:?}", field.name()));
        }
    }
}
