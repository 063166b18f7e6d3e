//! What a pool remembers of answers: those that would change nothing if they came again do not go to the ledger again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pool_poller::actors::ledger::{RecordObservations, Recorded};
use pool_poller::actors::pool::Pace;
use pool_poller::domain::Wallet;
use pool_poller::domain::roster::PollJob;
use pool_poller::pools::Failure;

use super::bench::{figure, paused, player, secs, wait, wallet};
use super::pool_bench::{Bench, Fetched, PACE, good};

/// A good answer that differs from those with another text.
fn says(text: &str) -> Fetched {
    let mut answer = good()?;
    answer.raw = format!("{{\"said\":\"{text}\"}}");
    Ok(answer)
}

/// A ledger to which everything that comes is settled, decided in this era.
fn settled(era: u64, message: &RecordObservations) -> Recorded {
    let count = u32::try_from(message.observations.len()).expect("few");
    Recorded { era, settled: (0..count).collect(), ..Recorded::default() }
}

/// A pool whose wallets all get the text of the cell, and a ledger whose era is the other cell's.
fn bench(text: &Rc<RefCell<String>>, era: &Rc<Cell<u64>>) -> Bench {
    let (text, era) = (Rc::clone(text), Rc::clone(era));
    let store = move |_, message: RecordObservations| ready(Ok(settled(era.get(), &message)));
    Bench::with_ledger(Pace { concurrency: 8, ..PACE }, move |_| ready(says(&text.borrow())), store)
}

/// A round over the wallets W1 to `count` in an era; how many readings the ledger got of it.
async fn handed_over(bench: &mut Bench, era: u64, count: usize) -> usize {
    handed_over_of(bench, era, (1..=count).map(|id| (id, id))).await
}

/// The same over players and the number of their wallets.
async fn handed_over_of(bench: &mut Bench, era: u64, list: impl IntoIterator<Item = (usize, usize)>) -> usize {
    let before = bench.readings().len();
    let jobs = list.into_iter().map(|(of, id)| PollJob { player: player(of), wallet: wallet(&format!("W{id}")) });
    let jobs: Arc<[PollJob]> = jobs.collect();
    let count = jobs.len() as u64;
    bench.poll_jobs(1, jobs, era, Duration::ZERO).await.expect("the pool is free");
    let report = bench.report().await;
    assert_eq!((report.requests, report.readings), (count, count), "each is a reading, also one that is not handed over");
    bench.readings().len() - before
}

#[test]
fn an_answer_that_changes_nothing_is_handed_over_once() {
    paused(async {
        let (text, era) = (Rc::new(RefCell::new("a".to_owned())), Rc::default());
        let mut bench = bench(&text, &era);
        assert_eq!(handed_over(&mut bench, 0, 20).await, 20);
        assert_eq!(handed_over(&mut bench, 0, 20).await, 0);
        assert_eq!(handed_over(&mut bench, 0, 21).await, 1, "one is new");
        "b".clone_into(&mut text.borrow_mut());
        assert_eq!(handed_over(&mut bench, 0, 21).await, 21);
        assert_eq!(handed_over(&mut bench, 0, 21).await, 0);
        let metrics = bench.metrics().await;
        assert_eq!((figure(&metrics, "/successes"), figure(&metrics, "/unchanged")), (103, 61));
    });
}

#[test]
fn one_that_the_ledger_does_not_call_settled_is_handed_over_each_time() {
    paused(async {
        let store = |_, message: RecordObservations| {
            let mut recorded = settled(0, &message);
            // Only the first of each part.
            recorded.settled.truncate(1);
            ready(Ok(recorded))
        };
        let mut bench = Bench::with_ledger(Pace { concurrency: 8, ..PACE }, |_| ready(says("a")), store);
        assert_eq!(handed_over(&mut bench, 0, 3).await, 3);
        assert_eq!(handed_over(&mut bench, 0, 3).await, 2);
        assert_eq!(handed_over(&mut bench, 0, 3).await, 1);
        assert_eq!(handed_over(&mut bench, 0, 3).await, 0);
    });
}

#[test]
fn a_new_era_ends_what_is_remembered_and_what_was_decided_before_it_begins_nothing() {
    paused(async {
        let (text, era) = (Rc::new(RefCell::new("a".to_owned())), Rc::new(Cell::new(0)));
        let mut bench = bench(&text, &era);
        assert_eq!(handed_over(&mut bench, 0, 5).await, 5);
        assert_eq!(handed_over(&mut bench, 1, 5).await, 5, "the ledger's answer is still of the old era");
        era.set(1);
        assert_eq!(handed_over(&mut bench, 1, 5).await, 5);
        assert_eq!(handed_over(&mut bench, 1, 5).await, 0);
    });
}

#[test]
fn nothing_is_remembered_for_longer_than_ten_minutes() {
    paused(async {
        let (text, era) = (Rc::new(RefCell::new("a".to_owned())), Rc::default());
        let mut bench = bench(&text, &era);
        let mut rounds = Vec::new();
        for _ in 0..60 {
            rounds.push(handed_over(&mut bench, 0, 2).await);
            wait(secs(60)).await;
        }
        let full: Vec<usize> = (0..60).filter(|round| rounds[*round] == 2).collect();
        assert_eq!(full, [0, 10, 20, 30, 40, 50]);
        assert_eq!(rounds.iter().sum::<usize>(), 12, "and nothing beside them: {rounds:?}");
    });
}

#[test]
fn after_a_failure_the_same_answer_is_handed_over_again() {
    paused(async {
        let answers: RefCell<VecDeque<Fetched>> =
            RefCell::new([says("a"), says("a"), Err(Failure::HttpStatus { status: 500 }), says("a"), says("a")].into());
        let answer = move |_| ready(answers.borrow_mut().pop_front().expect("no more requests"));
        let mut bench = Bench::with_ledger(PACE, answer, |_, message| ready(Ok(settled(0, &message))));
        let mut handed = Vec::new();
        for _ in 0..5 {
            bench.begin(1).await.expect("the pool is free");
            bench.report().await;
            handed.push(bench.readings().len());
            wait(secs(60)).await;
        }
        assert_eq!(handed, [1, 1, 1, 2, 2]);
    });
}

#[test]
fn another_player_of_the_wallet_is_another_case() {
    paused(async {
        let (text, era) = (Rc::new(RefCell::new("a".to_owned())), Rc::default());
        let mut bench = bench(&text, &era);
        assert_eq!(handed_over_of(&mut bench, 0, [(1, 1), (2, 2)]).await, 2);
        assert_eq!(handed_over_of(&mut bench, 0, [(2, 1), (1, 2)]).await, 2);
        assert_eq!(handed_over_of(&mut bench, 0, [(2, 1), (1, 2)]).await, 0);
    });
}

#[test]
fn what_the_ledger_says_late_is_not_taken_for_a_newer_answer() {
    paused(async {
        let answers: Rc<RefCell<VecDeque<Fetched>>> = Rc::new(RefCell::new([says("a"), says("b"), says("a"), says("a")].into()));
        // W2 keeps the pool at work, or a round would wait for the ledger.
        let answer = move |asked: Wallet| {
            let answers = Rc::clone(&answers);
            async move {
                if asked == wallet("W2") {
                    wait(secs(100)).await;
                    return says("x");
                }
                answers.borrow_mut().pop_front().expect("no more requests")
            }
        };
        // It answers about the first one when the second one has been read, and of that one it says nothing.
        let store = |number, message: RecordObservations| async move {
            wait(if number == 0 { secs(30) } else { secs(0) }).await;
            Ok(if number == 1 { Recorded::default() } else { settled(0, &message) })
        };
        let bench = Bench::with_ledger(Pace { concurrency: 8, ..PACE }, answer, store);
        let mut handed = Vec::new();
        for (cycle, last) in [(1, 2), (2, 1), (3, 1), (4, 1)] {
            bench.poll(cycle, 1..=last, Duration::ZERO).await.expect("no wallet waits to be asked about");
            wait(secs(20)).await;
            handed.push(bench.readings().len());
        }
        assert_eq!(bench.fake.asked_at(), [0, 0, 20, 40, 60].map(secs));
        assert_eq!(handed, [1, 2, 3, 3], "the first answer again, behind another one, and then the same once more");
    });
}
