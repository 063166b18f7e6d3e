//! Readings on their way to the ledger: bounded, in order, and handed over again where the answer is lost.

use std::cell::{Cell, RefCell};
use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use pool_poller::actors::ledger::{LedgerError, RecordObservations, Recorded};
use pool_poller::actors::pool::Pace;
use pool_poller::domain::Points;

use super::bench::{amount, dead, figure, paused, secs, wait};
use super::pool_bench::{Bench, PACE, Stored, good};

/// The largest batch that the pool may make.
const BATCH_MAX: usize = 500;
/// The most readings that may wait for the ledger beside it.
const WAITING_MAX: usize = 500;

#[test]
fn batches_are_bounded_and_the_ledgers_answer_is_awaited_before_the_next_one() {
    paused(async {
        let outstanding: Rc<Cell<usize>> = Rc::default();
        let counted = Rc::clone(&outstanding);
        let store = move |_, message: RecordObservations| {
            let outstanding = Rc::clone(&counted);
            outstanding.set(outstanding.get() + 1);
            assert_eq!(outstanding.get(), 1, "one batch at a time");
            async move {
                wait(secs(3)).await;
                outstanding.set(0);
                let awards = message.observations.len() as u64;
                let points = Points::new(amount("0.5"));
                Ok(Recorded { awards, points, advc: amount("0.25"), held: 1, anomalies: 2, ..Recorded::default() })
            }
        };
        let mut bench = Bench::with_ledger(Pace { concurrency: 8, ..PACE }, |_| ready(good()), store);
        let report = bench.round(1_000).await;
        let sizes: Vec<usize> = bench.recorded.borrow().iter().map(|message| message.observations.len()).collect();
        assert!(sizes.iter().all(|size| *size <= BATCH_MAX), "{sizes:?}");
        let mut seen = bench.readings();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((seen.len(), sizes.iter().sum::<usize>()), (1_000, 1_000), "each reading once");
        assert_eq!((report.readings, report.awards), (1_000, 1_000));
        let batches = sizes.len() as u64;
        assert_eq!((report.held, report.anomalies), (batches, 2 * batches), "the answers are added up");
        assert_eq!(report.points.get().units(), i128::from(batches) * amount("0.5").units());
        assert_eq!(report.advc.units(), i128::from(batches) * amount("0.25").units());
    });
}

#[test]
fn while_the_ledger_does_not_answer_the_number_of_readings_in_hand_stays_bounded() {
    paused(async {
        let concurrency = 8;
        let silent = |_, _| std::future::pending::<Stored>();
        let bench = Bench::with_ledger(Pace { concurrency, ..PACE }, |_| ready(good()), silent);
        bench.begin(10_000).await.expect("the pool is free");
        wait(secs(3_600)).await;
        assert_eq!(bench.recorded.borrow().len(), 1);
        let asked = bench.fake.asked_at().len();
        assert!(asked <= BATCH_MAX + WAITING_MAX + concurrency, "{asked} requests were made without an answer of the ledger");
    });
}

#[test]
fn a_single_reading_does_not_wait_for_company() {
    paused(async {
        let mut bench = Bench::new(PACE, |asked| async move {
            if asked.as_str() == "W2" {
                wait(secs(3_600)).await;
            }
            good()
        });
        bench.begin(2).await.expect("the pool is free");
        wait(secs(1)).await;
        assert_eq!(bench.readings(), ["W1"]);
        bench.report().await;
        assert_eq!(bench.readings(), ["W1", "W2"]);
    });
}

#[test]
fn a_batch_that_the_ledger_lost_is_handed_over_again_and_counted_once() {
    paused(async {
        let store = |number, _| {
            ready(match number {
                0 | 1 => Err(LedgerError::Restarted),
                2 => Err(LedgerError::Database("away".to_owned())),
                _ => Ok(Recorded { awards: 1, ..Recorded::default() }),
            })
        };
        let mut bench = Bench::with_ledger(PACE, |_| ready(good()), store);
        let report = bench.round(5).await;
        let recorded = bench.recorded.borrow().clone();
        assert_eq!(recorded.len(), 4);
        assert!(recorded.iter().all(|message| Arc::ptr_eq(&message.observations, &recorded[0].observations)), "the same batch");
        assert_eq!((recorded[0].observations.len(), report.readings, report.awards), (5, 5, 1));
        assert_eq!(figure(&bench.metrics().await, "/batches_resent"), 3);
    });
}

/// A supervised ledger that fails with its first message in hand, so that the sender finds the mailbox closed.
struct Failing {
    recorded: Rc<RefCell<Vec<RecordObservations>>>,
}

impl Actor for Failing {
    type Context = Context<Self>;
}

impl Supervised for Failing {}

impl Handler<RecordObservations> for Failing {
    type Result = ResponseActFuture<Self, Stored>;

    fn handle(&mut self, message: RecordObservations, ctx: &mut Self::Context) -> Self::Result {
        self.recorded.borrow_mut().push(message);
        if self.recorded.borrow().len() == 1 {
            ctx.stop();
            return Box::pin(std::future::pending().into_actor(self));
        }
        Box::pin(ready(Ok(Recorded::default())).into_actor(self))
    }
}

#[test]
fn a_batch_whose_answer_went_with_a_restart_of_the_ledger_is_handed_over_again() {
    paused(async {
        let recorded: Rc<RefCell<Vec<RecordObservations>>> = Rc::default();
        let ledger = Supervisor::start({
            let recorded = Rc::clone(&recorded);
            |_| Failing { recorded }
        });
        let mut bench = Bench::with(PACE, |_| ready(good()), ledger.clone().recipient(), recorded);
        let report = bench.round(3).await;
        assert_eq!((bench.recorded.borrow().len(), report.readings), (2, 3));
        assert_eq!(bench.readings(), ["W1", "W2", "W3", "W1", "W2", "W3"]);
    });
}

#[test]
fn a_ledger_that_is_gone_or_ending_is_not_asked_again() {
    paused(async {
        let ending = |_, _| ready(Err(LedgerError::Draining));
        let mut bench = Bench::with_ledger(PACE, |_| ready(good()), ending);
        let report = bench.round(3).await;
        assert_eq!((bench.recorded.borrow().len(), report.readings), (1, 0), "what is not stored is no reading");

        let gone = dead::<RecordObservations>().await;
        let mut bench = Bench::with(PACE, |_| ready(good()), gone, Rc::default());
        let report = bench.round(3).await;
        assert_eq!(report.readings, 0);
    });
}

#[test]
fn a_report_that_nobody_wants_any_more_does_no_harm() {
    paused(async {
        let mut bench = Bench::new(PACE, |_| ready(good()));
        let finished = dead().await;
        let poll =
            pool_poller::actors::pool::PollNow { cycle: 1, jobs: Arc::new([]), era: 0, tick: secs(0), spread: secs(0), finished };
        bench.pool.send(poll).await.expect("a living pool actor").expect("the pool is free");
        wait(secs(1)).await;
        assert_eq!(bench.round(2).await.readings, 2);
    });
}
