//! The machine's own network is gone: no pool suffers for it, and all are asked again soon after.

use std::cell::Cell;
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use pool_poller::actors::pool::{NetworkWatch, Pace};
use pool_poller::clock::Clock;
use pool_poller::pools::{Excerpt, Failure};

use super::bench::{figure, paused, secs};
use super::log::Log;
use super::pool_bench::{Bench, Fetched, PACE, good, rate_limited, timeout};

const INTERVAL: Duration = Duration::from_secs(60);
const WALLETS: usize = 40;

fn no_route() -> Fetched {
    Err(Failure::NoNetwork { reason: Excerpt::new("Network is unreachable (os error 101)") })
}

fn refused() -> Fetched {
    Err(Failure::Connect { reason: Excerpt::new("Connection refused (os error 111)") })
}

/// What a pool answers, for the test to change.
type Answers = Rc<Cell<fn() -> Fetched>>;

/// Three pools of one program, and what each of them answers.
struct Three {
    pools: [Bench; 3],
    answers: [Answers; 3],
    network: NetworkWatch,
}

impl Three {
    fn new() -> Self {
        let clock = Clock::start();
        let network = NetworkWatch::new(clock);
        let answers: [Answers; 3] = std::array::from_fn(|_| Rc::new(Cell::new(good as fn() -> Fetched)));
        let pools = std::array::from_fn(|pool| {
            let answer = Rc::clone(&answers[pool]);
            let pace = Pace { concurrency: 4, ..PACE };
            Bench::beside(["a", "b", "c"][pool], &network, clock, pace, move |_| ready(answer.get()()))
        });
        Self { pools, answers, network }
    }

    fn answer(&self, answers: [fn() -> Fetched; 3]) {
        for (cell, answer) in self.answers.iter().zip(answers) {
            cell.set(answer);
        }
    }

    async fn run(&self, until: Duration) {
        let [a, b, c] = &self.pools;
        tokio::join!(
            a.poll_every(INTERVAL, WALLETS, until),
            b.poll_every(INTERVAL, WALLETS, until),
            c.poll_every(INTERVAL, WALLETS, until),
        );
    }

    /// How often each was asked within a time.
    fn asked(&self, from: Duration, until: Duration) -> [usize; 3] {
        std::array::from_fn(|pool| self.pools[pool].fake.asked_at().iter().filter(|at| (from..until).contains(*at)).count())
    }

    async fn states(&self) -> Vec<String> {
        let mut states = Vec::new();
        for pool in &self.pools {
            states.push(pool.metrics().await["backoff_state"].as_str().expect("a state").to_owned());
        }
        states
    }
}

#[test]
fn a_lost_network_is_held_against_no_pool_and_all_are_asked_soon_after_it_is_back() {
    for lost in [no_route as fn() -> Fetched, refused, timeout] {
        paused(async {
            let log = Log::keep();
            let three = Three::new();
            three.run(secs(180)).await;
            assert_eq!(three.asked(secs(0), secs(180)), [WALLETS * 3; 3]);
            // For half an hour: breakers would have grown to pauses of many minutes.
            three.answer([lost; 3]);
            three.run(secs(1_980)).await;
            assert!(three.network.metrics().offline);
            assert_eq!(log.named("network_unreachable").len(), 1);
            let tries = three.asked(secs(300), secs(1_980));
            assert!(tries.iter().all(|tries| (1_680 / 7..=1_680 / 5 + 2).contains(tries)), "one each five seconds: {tries:?}");
            three.answer([good; 3]);
            three.run(secs(2_100)).await;
            let soon = three.asked(secs(1_980), secs(1_992));
            println!("after half an hour without a network, in the first 12 s: {soon:?} requests");
            assert!(soon.iter().all(|soon| *soon >= 3), "{soon:?}");
            assert_eq!(log.named("network_back").len(), 1);
            assert_eq!(three.states().await, ["closed"; 3]);
            let metrics = three.network.metrics();
            assert_eq!((metrics.offline, metrics.losses), (false, 1));
            assert!((1_700..=1_810).contains(&metrics.offline_seconds), "{metrics:?}");
        });
    }
}

#[test]
fn a_pool_that_asked_to_be_left_alone_is_left_alone_although_the_network_is_gone() {
    paused(async {
        let three = Three::new();
        three.run(secs(120)).await;
        three.answer([|| rate_limited(secs(600)), good, good]);
        three.run(secs(240)).await;
        three.answer([no_route; 3]);
        three.run(secs(600)).await;
        let [a, b, _] = three.asked(secs(240), secs(600));
        assert!(a == 0 && b > 50, "{a} {b}");
        assert!(three.network.metrics().offline);
    });
}

#[test]
fn a_pool_that_cannot_be_reached_while_others_answer_is_left_alone_by_itself() {
    paused(async {
        let log = Log::keep();
        let three = Three::new();
        three.run(secs(120)).await;
        three.answer([refused, timeout, good]);
        three.run(secs(3_600)).await;
        assert_eq!(three.states().await, ["open", "open", "closed"]);
        assert_eq!(log.named("network_unreachable").len(), 0);
        assert_eq!(three.asked(secs(120), secs(3_600))[2], WALLETS * 58, "the other is asked as ever");
        assert_eq!(three.network.metrics().losses, 0);
    });
}

#[test]
fn the_only_pool_is_held_to_its_own_failures_unless_the_machine_says_otherwise() {
    paused(async {
        let answer = Rc::new(Cell::new(refused as fn() -> Fetched));
        let current = Rc::clone(&answer);
        let bench = Bench::new(PACE, move |_| ready(current.get()()));
        bench.poll_every(INTERVAL, WALLETS, secs(300)).await;
        assert_eq!(bench.metrics().await["backoff_state"], "open");
        answer.set(no_route);
        bench.poll_every(INTERVAL, WALLETS, secs(900)).await;
        let before = bench.fake.asked_at().len();
        bench.poll_every(INTERVAL, WALLETS, secs(960)).await;
        assert!((11..=13).contains(&(bench.fake.asked_at().len() - before)), "one each five seconds");
        answer.set(good);
        bench.poll_every(INTERVAL, WALLETS, secs(1_080)).await;
        assert_eq!(bench.metrics().await["backoff_state"], "closed");
        assert!(figure(&bench.metrics().await, "/failures/no_network") > 60);
    });
}
