//! Whatever part of a pool's payouts is listed, whoever asks, whatever crashes: each payout that was ever shown counts once.

use std::collections::{BTreeMap, BTreeSet};

use pool_poller::domain::Amount;
use pool_poller::store::book::Observation;
use pool_poller::store::verify::verify;
use proptest::collection::vec;
use proptest::prelude::*;

use super::balance::{assert_balanced, found_by_wallet};
use super::bench::{Bench, record};
use super::listed::{listing, recorded};

const WALLETS: [&str; 3] = ["Wa", "Wb", "Wc"];

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    /// The pool pays so many units of 10⁻⁸ to a wallet.
    Pay { wallet: usize, units: i128 },
    /// A book reads the lists; they hold this many of the newest payouts, in either order.
    Read { book: usize, shown: usize, newest_first: bool },
    /// Both books read the lists at the same time.
    ReadBoth { shown: usize },
    /// A book reads the lists, and the transaction ends in an error near its end.
    Crash { book: usize, shown: usize },
    /// A book forgets everything.
    Restart { book: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..WALLETS.len(), 20_000_i128..1_000_000_000).prop_map(|(wallet, units)| Step::Pay { wallet, units }),
        4 => (0..2_usize, 0..5_usize, any::<bool>()).prop_map(|(book, shown, newest_first)| Step::Read { book, shown, newest_first }),
        2 => (0..5_usize).prop_map(|shown| Step::ReadBoth { shown }),
        1 => (0..2_usize, 0..5_usize).prop_map(|(book, shown)| Step::Crash { book, shown }),
        1 => (0..2_usize).prop_map(|book| Step::Restart { book }),
    ];
    vec(step, 1..40)
}

/// What a wallet was paid, and which of it was shown: first, and in all.
#[derive(Default)]
struct Wallet {
    payouts: Vec<(String, i128)>,
    first: Option<BTreeSet<usize>>,
    shown: BTreeSet<usize>,
}

impl Wallet {
    /// The newest payouts; where they are `believed`, they count from now on.
    fn list(&mut self, shown: usize, newest_first: bool, believed: bool) -> Vec<(String, String)> {
        let from = self.payouts.len().saturating_sub(shown);
        let mut places: Vec<usize> = (from..self.payouts.len()).collect();
        if believed {
            self.first.get_or_insert_with(|| places.iter().copied().collect());
            self.shown.extend(&places);
        }
        if newest_first {
            places.reverse();
        }
        let payout = |at: usize| {
            let (id, units) = &self.payouts[at];
            (id.clone(), Amount::from_units(*units).expect("an amount").to_string())
        };
        places.into_iter().map(payout).collect()
    }

    fn expected(&self) -> i128 {
        let first = self.first.clone().unwrap_or_default();
        self.shown.difference(&first).map(|at| self.payouts[*at].1).sum()
    }
}

async fn play(bench: Bench, steps: Vec<Step>) {
    for (at, _) in WALLETS.iter().enumerate() {
        bench.player(&format!("p{at}"), &format!("own{at}")).await;
    }
    let mut books = [bench.book(), bench.book()];
    let mut wallets: Vec<Wallet> = WALLETS.iter().map(|_| Wallet::default()).collect();
    let batch = |wallets: &mut [Wallet], shown, newest_first, believed| -> Vec<Observation> {
        let lists = wallets.iter_mut().zip(WALLETS).zip(1..).map(|((wallet, address), player)| {
            let list = wallet.list(shown, newest_first, believed);
            let list: Vec<(&str, &str)> = list.iter().map(|(id, paid)| (id.as_str(), paid.as_str())).collect();
            Observation::Reading(listing(player, address, &list))
        });
        lists.collect()
    };
    for step in steps {
        match step {
            Step::Pay { wallet, units } => {
                let id = format!("t{}", wallets[wallet].payouts.len());
                wallets[wallet].payouts.push((id, units));
            }
            Step::Restart { book } => books[book] = bench.book(),
            Step::Read { book, shown, newest_first } => {
                record(&mut books[book], &batch(&mut wallets, shown, newest_first, true)).await;
            }
            Step::ReadBoth { shown } => {
                // Whose reading is the first is open, and what the other shows beyond it would be new.
                let less = if wallets.iter().any(|wallet| wallet.first.is_none()) { shown } else { shown / 2 };
                let (one, other) = (batch(&mut wallets, shown, true, true), batch(&mut wallets, less, false, true));
                let [first, second] = &mut books;
                tokio::join!(record(first, &one), record(second, &other));
            }
            Step::Crash { book, shown } => {
                // Players, positions, payouts and events are written by then.
                break_snapshots(&bench, true).await;
                let batch = batch(&mut wallets, shown, true, false);
                let before = recorded(&bench).await.len();
                for _ in 0..2 {
                    // Where nothing was to be written, nothing fails.
                    let _ = books[book].record(&batch, pool_poller::store::now_utc()).await;
                }
                break_snapshots(&bench, false).await;
                assert_eq!(recorded(&bench).await.len(), before, "all of it or nothing");
                books[book] = bench.book();
            }
        }
        assert_balanced(&bench).await;
    }
    let found = found_by_wallet(&bench).await;
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    for row in recorded(&bench).await {
        *sums.entry(row.address).or_default() += Amount::from_decimal(row.amount.0).expect("an amount").units();
    }
    for (wallet, address) in wallets.iter().zip(WALLETS) {
        let found = found.get(address).map_or(0, |amount| amount.units());
        assert_eq!(found, wallet.expected(), "{address}");
        let shown: i128 = wallet.shown.iter().map(|at| wallet.payouts[*at].1).sum();
        assert_eq!(sums.get(address).copied().unwrap_or_default(), shown, "{address}");
    }
    let report = verify(&bench.db).await.expect("a report");
    assert_eq!(report.differences, [], "{report:?}");
}

/// Lets every transaction fail that writes a snapshot, or no more.
async fn break_snapshots(bench: &Bench, broken: bool) {
    let statements: &[&str] = match (bench.is_postgres(), broken) {
        (true, true) => &["ALTER TABLE pool_snapshots ADD CONSTRAINT broken CHECK (FALSE) NOT VALID"],
        (true, false) => &["ALTER TABLE pool_snapshots DROP CONSTRAINT broken"],
        (false, true) => &["CREATE TRIGGER broken BEFORE INSERT ON pool_snapshots BEGIN SELECT RAISE(ABORT, 'broken'); END"],
        (false, false) => &["DROP TRIGGER broken"],
    };
    for sql in statements {
        bench.execute(sql).await;
    }
}

fn run(steps: Vec<Step>, postgres: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { play(if postgres { Bench::postgres().await } else { Bench::sqlite().await }, steps).await });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_listed_payout_counts_once_on_sqlite(steps in steps()) {
        run(steps, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_listed_payout_counts_once_on_postgresql(steps in steps()) {
        run(steps, true);
    }
}
