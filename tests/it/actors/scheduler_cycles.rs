//! When the scheduler begins cycles, and when they are complete.

use std::collections::BTreeMap;

use pool_poller::actors::scheduler::{CycleSummary, Drain, Mode, PollFinished};
use pool_poller::domain::Points;

use super::bench::{amount, figure, paused, secs, settle, wait};
use super::scheduler_bench::{Around, Bench, FakePool, empty_report, players};

fn cycles(summaries: &[CycleSummary]) -> Vec<u64> {
    summaries.iter().map(|summary| summary.cycle).collect()
}

#[test]
fn ticks_keep_to_the_grid_and_missed_ones_are_skipped() {
    paused(async {
        let pool = FakePool::new("a");
        let mut bench = Bench::every_minute(&[&pool], players(1));
        wait(secs(130)).await;
        assert_eq!(pool.polled_at(), [0, 60, 120]);
        // The process stands still for a while, as after a suspend.
        tokio::time::advance(secs(95)).await;
        wait(secs(80)).await;
        assert_eq!(pool.polled_at(), [0, 60, 120, 225, 240, 300]);
        assert_eq!(cycles(&bench.completed()), [1, 2, 3, 4, 5, 6]);
        assert_eq!(figure(&bench.metrics().await, "/cycles_completed"), 6);
    });
}

#[test]
fn a_roster_that_takes_its_time_does_not_shift_the_grid() {
    paused(async {
        let pool = FakePool::new("a");
        let bench = Bench::every_minute(&[&pool], players(1));
        bench.ledger.load.set(secs(7));
        wait(secs(150)).await;
        assert_eq!(pool.polled_at(), [7, 67, 127]);
    });
}

#[test]
fn a_roster_that_is_still_on_its_way_is_not_asked_for_again() {
    paused(async {
        let pool = FakePool::new("a");
        let mut bench = Bench::every_minute(&[&pool], players(1));
        bench.ledger.load.set(secs(200));
        wait(secs(199)).await;
        assert_eq!(bench.ledger.loads.get(), 1);
        assert_eq!(figure(&bench.metrics().await, "/ticks_skipped"), 3);
        bench.ledger.load.set(secs(0));
        wait(secs(50)).await;
        assert_eq!(pool.polled_at(), [200, 240]);
        assert_eq!(cycles(&bench.completed()), [1, 2]);
    });
}

#[test]
fn a_busy_pool_is_skipped_and_counted_while_the_others_go_on() {
    paused(async {
        let (slow, quick) = (FakePool::new("slow"), FakePool::new("quick"));
        slow.work.set(Some(secs(150)));
        let mut bench = Bench::every_minute(&[&slow, &quick], players(2));
        wait(secs(149)).await;
        assert_eq!(quick.polled_at(), [0, 60, 120], "the quick pool does not wait for the slow one");
        let summaries = bench.completed();
        assert_eq!(cycles(&summaries), [2, 3], "the first cycle still waits for the slow pool");
        assert_eq!(summaries.iter().map(|summary| summary.pools_skipped).collect::<Vec<_>>(), [1, 1]);

        wait(secs(10)).await;
        let summaries = bench.completed();
        assert_eq!(cycles(&summaries), [1]);
        assert_eq!((summaries[0].pools.len(), summaries[0].pools_skipped), (2, 0));
        assert_eq!(summaries[0].duration_ms, 150_000);

        wait(secs(30)).await;
        assert_eq!(slow.polled_at().last(), Some(&180), "free again, it is polled again");
        let metrics = bench.metrics().await;
        assert_eq!(figure(&metrics, "/polls_skipped_busy"), 2);
        assert_eq!(figure(&metrics, "/cycles_completed"), 3);
    });
}

#[test]
fn a_pool_that_has_not_answered_the_last_poll_is_not_sent_another() {
    paused(async {
        let (mute, lively) = (FakePool::new("mute"), FakePool::new("lively"));
        mute.mute.set(true);
        mute.work.set(None);
        let mut bench = Bench::every_minute(&[&mute, &lively], players(1));
        wait(secs(600)).await;
        assert_eq!(mute.polled_at(), [0], "one poll waits in its mailbox, and no second one");
        assert_eq!(lively.polled_at().len(), 10);
        assert_eq!(cycles(&bench.completed()), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(figure(&bench.metrics().await, "/polls_skipped_busy"), 9);
    });
}

#[test]
fn a_summary_adds_up_what_the_pools_did() {
    paused(async {
        let (one, two) = (FakePool::new("one"), FakePool::new("two"));
        {
            let mut report = one.report.borrow_mut();
            (report.wallets, report.requests, report.readings) = (7, 7, 4);
            report.failures = BTreeMap::from([("timeout", 2), ("not_json", 1)]);
            (report.awards, report.held, report.anomalies) = (3, 1, 2);
            (report.advc, report.points) = (amount("1.00000001"), Points::new(amount("100.000001")));
            let mut report = two.report.borrow_mut();
            (report.wallets, report.requests, report.readings) = (7, 5, 4);
            report.failures = BTreeMap::from([("timeout", 1)]);
            (report.awards, report.held, report.anomalies) = (2, 5, 6);
            (report.advc, report.points) = (amount("99999999999.00000002"), Points::new(amount("0.00000001")));
        }
        two.work.set(Some(secs(2)));
        let mut bench = Bench::every_minute(&[&one, &two], players(7));
        wait(secs(10)).await;
        let summaries = bench.completed();
        let [summary] = summaries.as_slice() else { panic!("one summary a cycle: {summaries:?}") };
        assert_eq!((summary.cycle, summary.players, summary.error.as_deref()), (1, 7, None));
        assert_eq!((summary.requests, summary.readings, summary.failures), (12, 8, 4));
        assert_eq!((summary.awards, summary.held, summary.anomalies), (5, 6, 8));
        assert_eq!(summary.advc_awarded.to_string(), "100000000000.00000003");
        assert_eq!(summary.ap_awarded.to_string(), "100.00000101");
        assert_eq!((summary.pools_skipped, summary.duration_ms, summary.pools.len()), (0, 2_000, 2));
        let metrics = bench.metrics().await;
        let total = |name: &str| figure(&metrics, name);
        assert_eq!((total("/polls_total"), total("/polls_ok"), total("/polls_failed")), (12, 8, 4));
        assert_eq!((total("/players"), total("/cycles")), (7, 1));
    });
}

#[test]
fn a_report_that_comes_twice_or_for_a_cycle_long_closed_changes_nothing() {
    paused(async {
        let pool = FakePool::new("a");
        let mut bench = Bench::every_minute(&[&pool], players(1));
        wait(secs(10)).await;
        assert_eq!(cycles(&bench.completed()), [1]);
        for cycle in [1, 1, 0, 99] {
            bench.scheduler.do_send(PollFinished { cycle, report: empty_report(&pool.name) });
        }
        settle().await;
        assert_eq!(cycles(&bench.completed()), [] as [u64; 0]);
        wait(secs(60)).await;
        assert_eq!(cycles(&bench.completed()), [2]);
    });
}

#[test]
fn one_cycle_begins_at_once_and_is_the_only_one() {
    paused(async {
        let pool = FakePool::new("a");
        let mut bench = Around::new(&[&pool], players(3)).start(Mode::Once);
        wait(secs(3_600)).await;
        assert_eq!(cycles(&bench.completed()), [1]);
        let polls = pool.polls.borrow();
        assert_eq!(polls.len(), 1);
        assert_eq!(polls[0].1.spread, secs(0), "as fast as the pool allows");
        assert_eq!(polls[0].1.jobs.len(), 3);
    });
}

#[test]
fn draining_begins_no_more_cycles() {
    paused(async {
        let pool = FakePool::new("a");
        let bench = Bench::every_minute(&[&pool], players(1));
        wait(secs(61)).await;
        bench.scheduler.send(Drain).await.expect("a living scheduler");
        wait(secs(600)).await;
        assert_eq!(pool.polled_at(), [0, 60]);
    });
}

#[test]
fn draining_while_the_roster_is_on_its_way_sends_no_polls() {
    paused(async {
        let pool = FakePool::new("a");
        let bench = Bench::every_minute(&[&pool], players(1));
        bench.ledger.load.set(secs(5));
        wait(secs(1)).await;
        bench.scheduler.send(Drain).await.expect("a living scheduler");
        wait(secs(600)).await;
        assert_eq!(pool.polled_at(), [0; 0]);
    });
}

#[test]
fn a_new_interval_counts_from_the_newest_cycle() {
    paused(async {
        let pool = FakePool::new("a");
        let bench = Bench::every_minute(&[&pool], players(1));
        wait(secs(70)).await;
        bench.reconfigure(secs(15), &[&pool]).await;
        wait(secs(40)).await;
        assert_eq!(pool.polled_at(), [0, 60, 75, 90, 105]);
        // The tick that was armed for 120 s is gone with the old interval.
        bench.reconfigure(secs(100), &[&pool]).await;
        wait(secs(210)).await;
        assert_eq!(pool.polled_at(), [0, 60, 75, 90, 105, 205, 305]);
        // The same again leaves the grid alone.
        bench.reconfigure(secs(100), &[&pool]).await;
        wait(secs(90)).await;
        assert_eq!(pool.polled_at(), [0, 60, 75, 90, 105, 205, 305, 405]);
    });
}

#[test]
fn other_pools_take_part_from_the_next_cycle_on_and_those_that_left_are_not_waited_for() {
    paused(async {
        let (goes, stays, comes) = (FakePool::new("goes"), FakePool::new("stays"), FakePool::new("comes"));
        goes.work.set(None);
        let mut bench = Bench::every_minute(&[&goes, &stays], players(1));
        wait(secs(70)).await;
        assert_eq!(cycles(&bench.completed()), [2], "the first cycle waits for the pool that never ends");
        bench.reconfigure(secs(60), &[&stays, &comes]).await;
        assert_eq!(cycles(&bench.completed()), [1]);
        wait(secs(60)).await;
        assert_eq!((goes.polled_at(), stays.polled_at(), comes.polled_at()), (vec![0, 60], vec![0, 60, 120], vec![120]));
        assert_eq!(cycles(&bench.completed()), [3]);
    });
}

#[test]
fn the_successor_of_a_pool_that_says_nothing_is_polled() {
    paused(async {
        let (mute, successor) = (FakePool::new("a"), FakePool::new("a"));
        mute.mute.set(true);
        let bench = Bench::every_minute(&[&mute], players(1));
        wait(secs(70)).await;
        assert_eq!(mute.polled_at(), [0]);
        bench.reconfigure(secs(60), &[&successor]).await;
        wait(secs(60)).await;
        assert_eq!(successor.polled_at(), [120]);
    });
}
