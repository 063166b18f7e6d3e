//! What the simulated pools remember of the requests they were sent, and what they were told to do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::script::{Fault, Script, Scripts};
use super::shapes::Shape;
use super::world::{SimPool, World};

/// How many requests are remembered of each pool.
const REQUESTS_KEPT: usize = 100;

/// How many requests a pool was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestCounts {
    /// Requests that were given a truthful answer at once.
    pub good: u64,
    /// Requests that a script befell.
    pub faulted: u64,
}

impl RequestCounts {
    /// All requests.
    #[must_use]
    pub fn total(self) -> u64 {
        self.good + self.faulted
    }
}

/// One request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// The path and the query exactly as they were sent.
    pub path_and_query: String,
    /// The headers, names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The wallet as the pool understood it.
    pub address: Option<String>,
    /// What befell it.
    pub fault: Option<Fault>,
}

impl SeenRequest {
    /// The value of the first header of this name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What one pool was told and has seen.
#[derive(Debug)]
struct Desk {
    shape: Shape,
    scripts: Scripts,
    counts: RequestCounts,
    recent: VecDeque<SeenRequest>,
}

/// The state shared by the server's thread and the handle. No lock is held while another is taken.
#[derive(Debug)]
pub(super) struct Shared {
    started: Instant,
    world: Mutex<World>,
    currency: Mutex<String>,
    desks: Mutex<BTreeMap<SimPool, Desk>>,
    arrived: Condvar,
}

impl Shared {
    pub(super) fn new(world: World) -> Self {
        let desk = |pool| Desk {
            shape: Shape::real(pool),
            scripts: Scripts::default(),
            counts: RequestCounts::default(),
            recent: VecDeque::new(),
        };
        Self {
            started: Instant::now(),
            world: Mutex::new(world),
            currency: Mutex::new(String::from("BTC")),
            desks: Mutex::new(SimPool::ALL.map(|pool| (pool, desk(pool))).into()),
            arrived: Condvar::new(),
        }
    }

    /// The world, moved to the present.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        let mut world = lock(&self.world);
        world.advance(self.started.elapsed());
        world
    }

    /// The payout coin that zpool names.
    pub(super) fn currency(&self) -> String {
        lock(&self.currency).clone()
    }

    pub(super) fn set_currency(&self, currency: &str) {
        *lock(&self.currency) = currency.to_owned();
    }

    fn with_desk<T>(&self, pool: SimPool, act: impl FnOnce(&mut Desk) -> T) -> Option<T> {
        lock(&self.desks).get_mut(&pool).map(act)
    }

    pub(super) fn shape(&self, pool: SimPool) -> Shape {
        self.with_desk(pool, |desk| desk.shape).unwrap_or(Shape::real(pool))
    }

    pub(super) fn set_shape(&self, shape: Shape) {
        self.with_desk(shape.pool(), |desk| desk.shape = shape);
    }

    pub(super) fn script(&self, pool: SimPool, script: Script) {
        self.with_desk(pool, |desk| desk.scripts.push(script));
    }

    pub(super) fn clear_scripts(&self, pool: SimPool) {
        self.with_desk(pool, |desk| desk.scripts.clear());
    }

    pub(super) fn counts(&self, pool: SimPool) -> RequestCounts {
        self.with_desk(pool, |desk| desk.counts).unwrap_or_default()
    }

    pub(super) fn recent(&self, pool: SimPool) -> Vec<SeenRequest> {
        self.with_desk(pool, |desk| desk.recent.iter().cloned().collect()).unwrap_or_default()
    }

    /// Notes a request and says what befalls it.
    pub(super) fn arrive(&self, pool: SimPool, mut request: SeenRequest) -> Option<Fault> {
        let fault = self.with_desk(pool, |desk| {
            let fault = desk.scripts.take(request.address.as_deref());
            request.fault.clone_from(&fault);
            if desk.recent.len() == REQUESTS_KEPT {
                desk.recent.pop_front();
            }
            desk.recent.push_back(request);
            if fault.is_some() {
                desk.counts.faulted += 1;
                self.arrived.notify_all();
            }
            fault
        });
        fault.flatten()
    }

    /// Notes that a truthful answer without any fault is ready to be sent.
    pub(super) fn answered(&self, pool: SimPool) {
        self.with_desk(pool, |desk| desk.counts.good += 1);
        self.arrived.notify_all();
    }

    /// Waits until a pool's counts satisfy `enough`, for at most `timeout`; says whether they do.
    pub(super) fn wait(&self, pool: SimPool, timeout: Duration, enough: impl Fn(RequestCounts) -> bool) -> bool {
        let desks = lock(&self.desks);
        let missing = |desks: &mut BTreeMap<SimPool, Desk>| !desks.get(&pool).is_some_and(|desk| enough(desk.counts));
        let (_desks, result) = self.arrived.wait_timeout_while(desks, timeout, missing).unwrap_or_else(PoisonError::into_inner);
        !result.timed_out()
    }
}

/// Takes a lock. A panic of another holder left only whole values behind, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
