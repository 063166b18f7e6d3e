use std::time::Duration;

use super::*;
use crate::domain::PlayerId;

const MINUTE: Duration = Duration::from_secs(60);

fn agenda() -> Agenda {
    Agenda::new("a".parse().unwrap())
}

fn wallet(number: usize) -> Wallet {
    format!("W{number}").parse().unwrap()
}

fn jobs(numbers: impl IntoIterator<Item = usize>) -> Vec<PollJob> {
    numbers.into_iter().map(|number| PollJob { player: PlayerId(1), wallet: wallet(number) }).collect()
}

/// As if it had been taken, from somewhere else.
fn taken(number: usize) -> Taken {
    Taken { job: jobs([number]).remove(0), number: u32::MAX }
}

fn timing(tick: Duration, spread: Duration) -> Timing {
    Timing { tick, spread, gap: Duration::ZERO }
}

/// Asks about everyone whose turn comes until `until` and answers each at once; what was asked, in order.
fn run(agenda: &mut Agenda, from: Duration, until: Duration, answer: impl Fn(&str) -> Answer) -> Vec<(Duration, String)> {
    let (mut now, mut asked) = (from, Vec::new());
    while let Some(turn) = agenda.next_turn(now) {
        now = now.max(turn);
        if now >= until {
            break;
        }
        if let Some(taken) = agenda.take(now) {
            let wallet = &taken.job.wallet;
            agenda.settle(&taken, answer(wallet.as_str()), now);
            asked.push((now, wallet.to_string()));
        }
    }
    asked
}

fn names(asked: &[(Duration, String)]) -> Vec<&str> {
    asked.iter().map(|(_, wallet)| wallet.as_str()).collect()
}

#[test]
fn each_wallet_has_its_own_moment_in_every_round() {
    let mut agenda = agenda();
    let mut offsets = Vec::new();
    for round in 0..3 {
        let tick = MINUTE * round;
        // Who else is there, and in which order, does not matter.
        let mut list = jobs(1..=20 + round as usize);
        if round == 1 {
            list.reverse();
        }
        agenda.begin(&list, timing(tick, MINUTE), tick);
        let mut asked = run(&mut agenda, tick, tick + MINUTE, |_| Answer::Good);
        asked.retain(|(_, wallet)| wallet[1..].parse::<usize>().unwrap() <= 20);
        offsets.push(asked.into_iter().map(|(at, wallet)| (wallet, at - tick)).collect::<Vec<_>>());
    }
    assert_eq!((offsets[0].len(), &offsets[0], &offsets[0]), (20, &offsets[1], &offsets[2]));
}

#[test]
fn without_a_spread_everyone_is_due_in_the_order_of_the_list() {
    let mut agenda = agenda();
    agenda.begin(&jobs(1..=5), timing(MINUTE, Duration::ZERO), MINUTE);
    assert_eq!(names(&run(&mut agenda, MINUTE, MINUTE * 2, |_| Answer::Good)), ["W1", "W2", "W3", "W4", "W5"]);
    assert_eq!((agenda.waiting(), agenda.next_turn(MINUTE)), (0, None));
}

#[test]
fn what_a_round_did_not_come_to_is_first_in_the_next_one() {
    let mut agenda = agenda();
    let mut often = [0; 30];
    for round in 0..30 {
        // Only ten of thirty can be asked about in each round.
        let tick = MINUTE * round;
        agenda.begin(&jobs(0..30), timing(tick, MINUTE), tick);
        for _ in 0..10 {
            let turn = agenda.next_turn(tick).unwrap();
            let taken = agenda.take(turn.max(tick)).unwrap();
            agenda.settle(&taken, Answer::Good, turn.max(tick));
            often[taken.job.wallet.as_str()[1..].parse::<usize>().unwrap()] += 1;
        }
    }
    assert_eq!(often, [10; 30], "each as often as any other");
}

#[test]
fn a_wallet_that_cannot_be_borne_comes_last() {
    let mut agenda = agenda();
    for round in 0..4 {
        let tick = MINUTE * round;
        agenda.begin(&jobs(1..=9), timing(tick, MINUTE), tick);
        let is_bad = |wallet: &str| ["W3", "W7"].contains(&wallet);
        let answer = |wallet: &str| if is_bad(wallet) { Answer::Unbearable } else { Answer::Good };
        let asked = run(&mut agenda, tick, tick + MINUTE, answer);
        if round > 0 {
            assert!(is_bad(&asked[7].1) && is_bad(&asked[8].1), "{asked:?}");
        }
    }
}

#[test]
fn a_refreshed_round_asks_about_the_new_and_not_about_the_gone_and_about_nobody_twice() {
    let mut agenda = agenda();
    agenda.begin(&jobs(1..=6), timing(MINUTE, Duration::ZERO), MINUTE);
    for _ in 0..2 {
        let taken = agenda.take(MINUTE).unwrap();
        agenda.settle(&taken, Answer::Good, MINUTE);
    }
    agenda.refresh(&jobs([1, 2, 3, 5, 7]), MINUTE);
    assert_eq!(agenda.waiting(), 3);
    let mut rest = run(&mut agenda, MINUTE, MINUTE * 2, |_| Answer::Good);
    rest.sort();
    assert_eq!(names(&rest), ["W3", "W5", "W7"]);
}

#[test]
fn a_wallet_that_is_still_being_asked_about_is_left_out() {
    let mut agenda = agenda();
    agenda.begin(&jobs(1..=2), timing(MINUTE, Duration::ZERO), MINUTE);
    assert!(agenda.take(MINUTE).is_some() && agenda.take(MINUTE).is_some());
    agenda.settle(&taken(2), Answer::Good, MINUTE);
    agenda.begin(&jobs(1..=2), timing(MINUTE * 2, Duration::ZERO), MINUTE * 2);
    assert_eq!(names(&run(&mut agenda, MINUTE * 2, MINUTE * 3, |_| Answer::Good)), ["W2"]);
    agenda.forget_requests();
    agenda.begin(&jobs(1..=2), timing(MINUTE * 3, Duration::ZERO), MINUTE * 3);
    assert_eq!(names(&run(&mut agenda, MINUTE * 3, MINUTE * 4, |_| Answer::Good)), ["W1", "W2"]);
}

#[test]
fn a_pool_is_tried_with_a_wallet_that_answered_well() {
    let mut agenda = agenda();
    let answer = |wallet: &str| match wallet {
        "W1" | "W2" => Answer::Failed { good_answers: 0 },
        "W3" => Answer::Nothing,
        _ => Answer::Good,
    };
    agenda.begin(&jobs(1..=4), timing(Duration::ZERO, MINUTE), Duration::ZERO);
    run(&mut agenda, Duration::ZERO, MINUTE, answer);
    agenda.begin(&jobs(1..=4), timing(MINUTE, MINUTE), MINUTE);
    assert_eq!(agenda.take_probe(MINUTE).unwrap().job.wallet, wallet(4), "before its turn");
    assert!(agenda.take_probe(MINUTE).is_some(), "where none answered well, any");
    assert_eq!(agenda.waiting(), 2);
}

#[test]
fn an_answer_that_may_be_a_refusal_is_one_where_the_wallet_had_readings() {
    let mut agenda = agenda();
    agenda.begin(&jobs(1..=2), timing(MINUTE, Duration::ZERO), MINUTE);
    agenda.settle(&taken(1), Answer::Good, MINUTE);
    agenda.settle(&taken(2), Answer::Nothing, MINUTE);
    assert_eq!((agenda.believes_refusal(&wallet(1)), agenda.believes_refusal(&wallet(2))), (true, false));
    for _ in 0..REFUSALS_BELIEVED {
        assert!(agenda.believes_refusal(&wallet(1)));
        agenda.settle(&taken(1), Answer::Refused, MINUTE);
    }
    assert!(!agenda.believes_refusal(&wallet(1)), "its account may be gone");
    agenda.settle(&taken(1), Answer::Good, MINUTE);
    assert!(agenda.believes_refusal(&wallet(1)));
}

#[test]
fn a_failure_is_the_wallets_own_where_it_fails_again_and_others_do_not() {
    let mut agenda = agenda();
    agenda.begin(&jobs(1..=1), timing(MINUTE, Duration::ZERO), MINUTE);
    assert!(!agenda.is_own_failure(&wallet(1), 7));
    agenda.settle(&taken(1), Answer::Failed { good_answers: 7 }, MINUTE);
    assert!(!agenda.is_own_failure(&wallet(1), 7), "nobody was answered since");
    assert!(agenda.is_own_failure(&wallet(1), 8));
    agenda.settle(&taken(1), Answer::Good, MINUTE);
    assert!(!agenda.is_own_failure(&wallet(1), 9));
}

#[test]
fn staleness_is_the_time_since_something_was_said_about_a_wallet() {
    let mut agenda = agenda();
    assert_eq!(agenda.staleness(MINUTE), Staleness::default());
    agenda.begin(&jobs(1..=100), timing(Duration::ZERO, Duration::ZERO), Duration::ZERO);
    for number in 1..=100 {
        agenda.settle(&taken(number), Answer::Nothing, Duration::from_secs(number as u64));
    }
    agenda.settle(&taken(1), Answer::Failed { good_answers: 0 }, Duration::from_secs(100));
    let at = Duration::from_secs;
    assert_eq!(agenda.staleness(at(100)), Staleness { wallets: 100, p50: at(49), p99: at(98), max: at(99) });
    agenda.begin(&jobs(50..=100), timing(at(100), Duration::ZERO), at(100));
    assert_eq!(agenda.staleness(at(100)).wallets, 51, "who is gone is not old");
}

#[test]
fn while_the_pool_is_silent_about_a_wallet_all_change_places_and_else_none() {
    let mut agenda = agenda();
    let mut orders = Vec::new();
    for round in 0..6 {
        let tick = MINUTE * round;
        agenda.begin(&jobs(1..=20), timing(tick, MINUTE), tick);
        let is_silent = |wallet: &str| wallet == "W7" && (1..4).contains(&round);
        let answer = |wallet: &str| if is_silent(wallet) { Answer::Silent } else { Answer::Good };
        let asked = run(&mut agenda, tick, tick + MINUTE, answer);
        assert_eq!(asked.len(), 20);
        let moments: Vec<Duration> = asked.iter().map(|(at, _)| *at - tick).collect();
        orders.push((moments, asked.into_iter().map(|(_, wallet)| wallet).collect::<Vec<_>>()));
    }
    assert!(orders.iter().all(|(moments, _)| *moments == orders[0].0), "the same moments, for others");
    let same: Vec<bool> = orders.iter().map(|(_, order)| *order == orders[0].1).collect();
    assert_eq!(same, [true, true, false, false, false, true]);
    assert!(orders[2].1 != orders[3].1 && orders[3].1 != orders[4].1);
}

#[test]
fn a_wallet_takes_up_little_memory() {
    let mut agenda = agenda();
    let bytes = |agenda: &Agenda| agenda.slots.bytes() + agenda.turns.bytes();
    let list = jobs(0..3_000);
    for (round, spread, most) in [(0, MINUTE, 90), (1, Duration::ZERO, 110), (2, MINUTE, 110)] {
        let tick = MINUTE * round;
        agenda.begin(&list, timing(tick, spread), tick);
        // In the later rounds all are due at once.
        agenda.take(tick);
        assert!(bytes(&agenda) <= most * list.len(), "{} a wallet in round {round}", bytes(&agenda) / list.len());
    }
    // As many come as go, in every round.
    for round in 3..24 {
        let from = round as usize * 100;
        agenda.begin(&jobs(from..from + 3_000), timing(MINUTE * round, MINUTE), MINUTE * round);
    }
    assert!(bytes(&agenda) <= 110 * list.len(), "{} a wallet after changes", bytes(&agenda) / list.len());
    agenda.begin(&jobs(0..30), timing(MINUTE * 24, MINUTE), MINUTE * 24);
    agenda.begin(&jobs(0..30), timing(MINUTE * 25, MINUTE), MINUTE * 25);
    assert!(bytes(&agenda) <= 150 * 30, "{} a wallet when most are gone", bytes(&agenda) / 30);
}

#[test]
fn an_answer_is_remembered_until_another_one_comes_or_all_are_forgotten() {
    let mut agenda = agenda();
    let (digest, other) = (Digest::new(7), Digest::new(8));
    let at = Duration::from_secs;
    let take = |agenda: &mut Agenda, now| {
        agenda.begin(&jobs([1]), timing(now, Duration::ZERO), now);
        agenda.take(now).unwrap()
    };
    let taken = take(&mut agenda, at(1));
    agenda.settle(&taken, Answer::Good, at(2));
    agenda.remember(&taken, digest, at(3));
    assert_eq!(take(&mut agenda, at(4)), taken);
    assert_eq!(agenda.remembered(&taken), None, "another answer than the last one");
    agenda.remember(&taken, digest, at(2));
    assert_eq!(agenda.remembered(&taken), Some(digest));
    agenda.settle(&taken, Answer::Same, at(5));
    assert_eq!(agenda.remembered(&taken), Some(digest));
    agenda.settle(&taken, Answer::Good, at(6));
    assert_eq!(agenda.remembered(&taken), None);
    agenda.remember(&taken, other, at(6));
    agenda.settle(&taken, Answer::Failed { good_answers: 9 }, at(7));
    assert!(agenda.remembered(&taken).is_none() && agenda.is_own_failure(&wallet(1), 10));
    agenda.remember(&taken, other, at(6));
    assert!(agenda.remembered(&taken).is_none() && agenda.is_own_failure(&wallet(1), 10), "it has failed since");
    agenda.settle(&taken, Answer::Good, at(8));
    agenda.remember(&taken, other, at(8));
    agenda.forget_answers();
    assert_eq!(agenda.remembered(&taken), None);
    agenda.settle(&taken, Answer::Same, at(9));
    assert_eq!(agenda.remembered(&taken), None, "one that was under way brings nothing back");
}
