//! Whatever pools answer, whoever asks, and whenever it is restarted: what is in the database adds up.

use std::collections::BTreeMap;

use pool_poller::domain::Amount;
use pool_poller::store::book::Observation;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::balance::{assert_balanced, found_by_wallet};
use super::bench::{Bench, record, seen};

const PLAYERS: i32 = 3;
const WALLETS: [&str; 4] = ["Wa", "Wb", "Wc", "Wd"];

/// How a counter moves before it is read.
#[derive(Debug, Clone, Copy)]
enum Move {
    /// By so many units of 10⁻⁸.
    Rise(i128),
    /// To a thousand times as much.
    Multiply,
    /// The pool shows only a part of it, this once.
    ShowLess,
    /// The pool begins anew.
    Reset,
}

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    /// A book is told what was read.
    Read { book: usize, readings: Vec<(i32, usize, Move)>, repeated: bool },
    /// A book is restarted: it forgets everything.
    Restart { book: usize },
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        2 => Just(Move::Rise(0)),
        2 => (1_i128..=12_000).prop_map(Move::Rise),
        6 => (1_000_000_i128..=10_000_000_000).prop_map(Move::Rise),
        1 => Just(Move::Rise(20_000_000_000_000)),
        1 => Just(Move::Multiply),
        1 => Just(Move::ShowLess),
        1 => Just(Move::Reset),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let reading = (1..=PLAYERS, 0..WALLETS.len(), moves());
    let read = (0..2_usize, vec(reading, 1..5), any::<bool>()).prop_map(|(book, readings, repeated)| Step::Read {
        book,
        readings,
        repeated,
    });
    let restart = select(vec![0, 1]).prop_map(|book| Step::Restart { book });
    vec(prop_oneof![5 => read, 1 => restart], 1..25)
}

/// What was first shown of a wallet's counter, and the highest ever.
struct Shown {
    first: i128,
    highest: i128,
}

async fn play(steps: Vec<Step>, past: [i128; WALLETS.len()]) {
    let bench = Bench::sqlite().await;
    for player in 1..=PLAYERS {
        bench.player(&format!("p{player}"), &format!("own{player}")).await;
    }
    let mut books = [bench.book(), bench.book()];
    let mut counters = past;
    let mut shown: BTreeMap<usize, Shown> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Restart { book } => books[book] = bench.book(),
            Step::Read { book, readings, repeated } => {
                let batch: Vec<Observation> = readings
                    .into_iter()
                    .flat_map(|(player, wallet, change)| {
                        let mut visible = None;
                        match change {
                            Move::Rise(units) => counters[wallet] += units,
                            Move::Multiply if counters[wallet] < 1 << 60 => counters[wallet] *= 1_000,
                            Move::Multiply => {}
                            Move::ShowLess => visible = Some(counters[wallet] / 2),
                            Move::Reset => counters[wallet] = 0,
                        }
                        let units = visible.unwrap_or(counters[wallet]);
                        let known = shown.entry(wallet).or_insert(Shown { first: units, highest: units });
                        known.highest = known.highest.max(units);
                        seen(player, WALLETS[wallet], &Amount::from_units(units).expect("an amount").to_string())
                    })
                    .collect();
                record(&mut books[book], &batch).await;
                if repeated {
                    // The answer was lost: the same batch again, to the other daemon this time.
                    record(&mut books[1 - book], &batch).await;
                }
                assert_balanced(&bench).await;
            }
        }
    }
    let found = found_by_wallet(&bench).await;
    for (wallet, Shown { first, highest, .. }) in shown {
        let found = found.get(WALLETS[wallet]).map_or(0, |amount| amount.units());
        assert!(found <= highest - first, "{}: {found} found of a rise from {first} to {highest}", WALLETS[wallet]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_database_adds_up_after_any_history(steps in steps(), past in prop::array::uniform4(0_i128..1_000_000_000_000)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(play(steps, past));
    }
}
