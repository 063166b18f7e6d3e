//! What the scheduler does about neighbours that fail.

use std::collections::VecDeque;

use pool_poller::actors::ledger::LedgerError;
use pool_poller::actors::scheduler::Mode;

use super::bench::{dead, figure, millis, neighbour, paused, secs, wait};
use super::log::Log;
use super::scheduler_bench::{Around, Bench, FakePool, players};

#[test]
fn a_cycle_without_a_roster_fails_and_the_next_one_goes_on() {
    paused(async {
        let pool = FakePool::new("a");
        let mut bench = Bench::every_minute(&[&pool], players(1));
        *bench.ledger.answers.borrow_mut() = VecDeque::from([
            Ok(players(1)),
            Err(LedgerError::Database("the database is away".to_owned())),
            Err(LedgerError::Restarted),
        ]);
        wait(secs(190)).await;
        assert_eq!(pool.polled_at(), [0, 180]);
        let errors: Vec<(u64, Option<String>)> =
            bench.completed().into_iter().map(|summary| (summary.cycle, summary.error)).collect();
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(
            errors,
            [(1, None), (2, said("the database is away")), (3, said("the ledger was restarted")), (4, None)],
            "one summary a cycle, also of one that could not begin"
        );
        let metrics = bench.metrics().await;
        assert_eq!((figure(&metrics, "/cycles_failed"), figure(&metrics, "/cycles_completed")), (2, 2));
    });
}

#[test]
fn an_outage_is_said_at_once_and_then_every_ten_minutes() {
    paused(async {
        let log = Log::keep();
        let pool = FakePool::new("a");
        let bench = Bench::every_minute(&[&pool], players(1));
        let away = || Err(LedgerError::Database("the database is away".to_owned()));
        *bench.ledger.answers.borrow_mut() = std::iter::repeat_with(away).take(25).collect();
        wait(secs(26 * 60 + 1)).await;
        assert_eq!(log.warned("polling_cycle_failed", "repeated"), ["0", "9", "9"]);
        assert_eq!(pool.polled_at().len(), 2);
        bench.ledger.answers.borrow_mut().push_back(away());
        wait(secs(60)).await;
        assert_eq!(log.warned("polling_cycle_failed", "repeated"), ["0", "9", "9", "0"], "a new one is said at once");
    });
}

#[test]
fn a_dead_pool_ends_the_process() {
    paused(async {
        let (living, doomed) = (FakePool::new("living"), FakePool::new("doomed"));
        let mut around = Around::new(&[&living, &doomed], players(1));
        around.slots[1].poll = dead().await;
        let mut bench = around.start(Mode::Every(secs(60)));
        let fatal = bench.fatal.recv().await.expect("the fuse blows");
        assert_eq!(fatal.actor, "pool doomed");
    });
}

#[test]
fn a_dead_ledger_ends_the_process() {
    paused(async {
        for of in ["roster", "record"] {
            let pool = FakePool::new("a");
            let mut around = Around::new(&[&pool], players(1));
            if of == "roster" {
                around.load = dead().await
            } else {
                around.record = dead().await
            }
            let mut bench = around.start(Mode::Every(secs(60)));
            let fatal = bench.fatal.recv().await.expect("the fuse blows");
            assert_eq!(fatal.actor, "ledger", "{of}");
            assert_eq!(pool.polled_at(), [0; 0]);
        }
    });
}

#[test]
fn a_pool_that_never_finishes_keeps_no_cycle_open_for_ever() {
    paused(async {
        let (hung, lively) = (FakePool::new("hung"), FakePool::new("lively"));
        hung.work.set(None);
        let mut bench = Bench::every_minute(&[&hung, &lively], players(1));
        wait(secs(60 * 30)).await;
        let completed: Vec<u64> = bench.completed().iter().map(|summary| summary.cycle).collect();
        assert_eq!(completed, (2..=30).collect::<Vec<u64>>(), "the cycles in which it was skipped are complete");
        assert_eq!(lively.polled_at().len(), 30);
        assert!(bench.fatal.try_recv().is_err());
    });
}

#[test]
fn polls_that_were_accepted_and_never_finished_do_not_pile_up() {
    paused(async {
        // A pool that says yes to every poll and loses it, as one that is restarted again and again.
        let (losing, lively) = (FakePool::new("losing"), FakePool::new("lively"));
        let mut around = Around::new(&[&losing, &lively], players(1));
        around.slots[0].poll = neighbour(|_| std::future::ready(Ok(()))).recipient();
        let mut bench = around.start(Mode::Every(secs(1)));
        wait(millis(99_500)).await;
        let completed: Vec<u64> = bench.completed().iter().map(|summary| summary.cycle).collect();
        assert_eq!(completed, (1..=36).collect::<Vec<u64>>(), "64 cycles may be open, the older ones are closed");
    });
}
