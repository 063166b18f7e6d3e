//! A time limit that many futures have in common, for the price of one timer.
//!
//! A daemon that asks about a hundred thousand wallets gives each request a time-out that hardly ever comes to pass. With a
//! timer each, most of what they cost is to set them and to take them back. Under one limit they end in the order in which they
//! began, so a list and one timer for the first of them is enough.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The limit. Clones share the timer; it belongs to the thread that made it.
#[derive(Debug, Clone)]
pub(crate) struct TimeLimit(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: Duration,
    list: RefCell<List>,
    is_watched: Cell<bool>,
}

#[derive(Debug)]
struct UnderWay {
    ends_at: Instant,
    waker: Waker,
}

impl TimeLimit {
    /// Of so long.
    pub(crate) fn new(limit: Duration) -> Self {
        Self(Rc::new(Shared { limit, list: RefCell::default(), is_watched: Cell::new(false) }))
    }

    /// How long it is.
    pub(crate) fn duration(&self) -> Duration {
        self.0.limit
    }

    /// Runs `work`, for which the time begins now. `None` when it is over before the work is done.
    ///
    /// # Panics
    /// Outside of an actix runtime, when the work is not done at once.
    pub(crate) fn run<T>(&self, work: Pin<&mut impl Future<Output = T>>) -> impl Future<Output = Option<T>> {
        self.run_since(Instant::now(), work)
    }

    /// The same, for which the time began at `began`: not before that of an earlier one.
    pub(crate) async fn run_since<T>(&self, began: Instant, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let ends_at = began + self.0.limit;
        let mut place: Option<Place<'_>> = None;
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            match &place {
                Some(place) if place.is_over(cx.waker()) => return Poll::Ready(None),
                Some(_) => {}
                None => place = Some(self.enter(UnderWay { ends_at, waker: cx.waker().clone() })),
            }
            Poll::Pending
        })
        .await
    }

    fn enter(&self, entry: UnderWay) -> Place<'_> {
        let shared = &self.0;
        let ends_at = entry.ends_at;
        let number = shared.list.borrow_mut().push(entry);
        if !shared.is_watched.replace(true) {
            actix_rt::spawn(watch(Rc::downgrade(shared), ends_at));
        }
        Place { shared, number }
    }
}

/// Takes off the list what has taken too long, and wakes it, as long as there is anything on it.
async fn watch(shared: Weak<Shared>, mut next: Instant) {
    loop {
        sleep_until(next).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut list = shared.list.borrow_mut();
        while let Some(overdue) = list.pop_overdue(Instant::now()) {
            overdue.wake();
        }
        let Some(ends_at) = list.first_end() else {
            shared.is_watched.set(false);
            return;
        };
        next = ends_at;
    }
}

/// Those under way in the order in which they began. One that has ended keeps its place until it is the first.
#[derive(Debug, Default)]
struct List {
    entries: VecDeque<Option<UnderWay>>,
    /// The number of the first entry.
    first: u64,
}

impl List {
    /// Answers the number of the new entry.
    fn push(&mut self, entry: UnderWay) -> u64 {
        self.entries.push_back(Some(entry));
        self.first + self.entries.len() as u64 - 1
    }

    /// The entry; `None` when it was overdue.
    fn get_mut(&mut self, number: u64) -> Option<&mut Option<UnderWay>> {
        let index = number.checked_sub(self.first)?;
        self.entries.get_mut(usize::try_from(index).ok()?)
    }

    fn leave(&mut self, number: u64) {
        if let Some(entry) = self.get_mut(number) {
            *entry = None;
        }
        while let Some(None) = self.entries.front() {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<UnderWay> {
        let entry = self.entries.pop_front()?;
        self.first += 1;
        entry
    }

    /// When the time of the first one is over. Those that have ended are no more in front of it.
    fn first_end(&self) -> Option<Instant> {
        self.entries.iter().flatten().map(|entry| entry.ends_at).next()
    }

    fn pop_overdue(&mut self, now: Instant) -> Option<Waker> {
        // Whatever is in front of it has ended.
        while self.first_end().is_some_and(|ends_at| ends_at <= now) {
            if let Some(entry) = self.pop() {
                return Some(entry.waker);
            }
        }
        None
    }
}

/// A place on the list, which is left when it is dropped.
struct Place<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Place<'_> {
    /// Whether the time is over; while it is not, `waker` is woken when it is.
    fn is_over(&self, waker: &Waker) -> bool {
        match self.shared.list.borrow_mut().get_mut(self.number) {
            Some(Some(entry)) => entry.waker.clone_from(waker),
            _ => return true,
        }
        false
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.list.borrow_mut().leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::future::{join, join_all, pending};
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// On a thread whose time jumps to the next timer.
    fn paused(work: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, work);
    }

    fn listed(limit: &TimeLimit) -> usize {
        limit.0.list.borrow().entries.len()
    }

    async fn took(limit: &TimeLimit, work: Duration) -> (Option<()>, Duration) {
        let began = Instant::now();
        (limit.run(pin!(sleep(work))).await, began.elapsed())
    }

    #[test]
    fn what_takes_longer_than_the_limit_is_given_up_at_the_limit() {
        paused(async {
            let limit = TimeLimit::new(LIMIT);
            assert_eq!(limit.run(pin!(std::future::ready(5))).await, Some(5), "without a timer");
            assert_eq!(took(&limit, Duration::from_secs(9)).await, (Some(()), Duration::from_secs(9)));
            let (ended, after) = took(&limit, Duration::from_secs(11)).await;
            assert!(ended.is_none() && after >= LIMIT && after < LIMIT + Duration::from_millis(5), "{after:?}");
            assert_eq!(listed(&limit), 0);
        });
    }

    #[test]
    fn each_has_its_own_time_whatever_the_others_do() {
        paused(async {
            let limit = &TimeLimit::new(LIMIT);
            let began = Instant::now();
            let all = (0..40).map(|number| async move {
                sleep(Duration::from_millis(100 * number)).await;
                // Every fourth has no end, and the others end in another order than they began in.
                let work = Duration::from_millis(if number % 4 == 0 { 60_000 } else { 900 - 20 * number });
                (number, took(limit, work).await)
            });
            for (number, (ended, after)) in join_all(all).await {
                assert_eq!(ended.is_none(), number % 4 == 0, "{number}");
                assert!(ended.is_some() || (after >= LIMIT && after < LIMIT + Duration::from_millis(5)), "{after:?}");
            }
            assert!(began.elapsed() < LIMIT + Duration::from_secs(4));
            assert_eq!(listed(limit), 0);
        });
    }

    #[test]
    fn what_is_dropped_leaves_the_list_and_a_later_one_is_still_watched() {
        paused(async {
            let limit = &TimeLimit::new(LIMIT);
            let dropped = tokio::time::timeout(Duration::from_secs(1), limit.run(pin!(pending::<()>()))).await;
            assert!(dropped.is_err());
            assert_eq!(listed(limit), 0);
            sleep(LIMIT * 3).await;
            assert!(!limit.0.is_watched.get(), "nothing to watch");
            let (first, second) = join(took(limit, LIMIT * 2), async {
                sleep(LIMIT / 2).await;
                took(limit, LIMIT * 2).await
            })
            .await;
            assert!(first.0.is_none() && second.0.is_none());
            assert!(second.1 < LIMIT + Duration::from_millis(5), "{second:?}");
        });
    }

    #[test]
    fn one_that_moves_to_another_task_is_woken_there() {
        paused(async {
            let limit = TimeLimit::new(LIMIT);
            let mut work = Box::pin(pending::<()>());
            let mut run = Box::pin(async move { limit.run(work.as_mut()).await });
            // Polled once here, and then by another task only.
            assert!(futures_util::FutureExt::now_or_never(run.as_mut()).is_none());
            let elsewhere = tokio::time::timeout(LIMIT * 2, tokio::task::spawn_local(run)).await;
            assert_eq!(elsewhere.expect("woken").expect("no panic"), None);
        });
    }
}
