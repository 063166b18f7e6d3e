use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn payout(id: &str, units: i128, time: i64) -> Payout {
    Payout { id: id.to_owned(), amount: Amount::from_units(units).unwrap(), time: Some(time) }
}

fn list(payouts: Vec<Payout>) -> Listed {
    Listed { source: source("/payouts", "/tx", "/amount").into(), payouts, window_seconds: None }
}

fn numbers(taken: &Taken) -> Vec<(&str, i64, i128)> {
    taken.fresh.iter().map(|fresh| (fresh.payout.id.as_str(), fresh.number, fresh.total.units())).collect()
}

#[test]
fn a_payout_is_counted_once_and_numbered_from_the_oldest() {
    let mut record = Record::default();
    let taken = record.take(&list(vec![payout("b", 5, 20), payout("a", 3, 10)])).unwrap();
    assert_eq!((numbers(&taken), &taken.changed), (vec![("a", 1, 3), ("b", 2, 8)], &None));
    let taken = record.take(&list(vec![payout("c", 1, 30), payout("b", 5, 20)])).unwrap();
    assert_eq!(numbers(&taken), [("c", 3, 9)]);
    assert_eq!(record.take(&list(vec![])).unwrap(), Taken::default(), "an empty list takes nothing back");
}

#[test]
fn another_amount_is_told_and_changes_nothing() {
    let mut record = Record::default();
    record.take(&list(vec![payout("a", 3, 10)])).unwrap();
    let taken = record.take(&list(vec![payout("a", 4, 10), payout("b", 1, 11)])).unwrap();
    let changed = taken.changed.clone().unwrap();
    assert_eq!((changed.id.as_str(), changed.recorded.units(), changed.listed.units()), ("a", 3, 4));
    assert_eq!((numbers(&taken), record.total.units()), (vec![("b", 2, 4)], 4), "the other one is recorded");
    let other_unit = Listed { source: "list:/payouts:/tx:/amount@1e-8".into(), ..list(vec![payout("a", 300, 10)]) };
    assert_eq!(record.take(&other_unit).unwrap(), Taken::default(), "known, and not to be compared");
}

#[test]
fn a_sum_that_is_too_large_leaves_the_record_alone() {
    let mut record = Record { total: Amount::from_units((1 << 96) - 1).unwrap(), ..Record::default() };
    let before = record.clone();
    assert_eq!(record.take(&list(vec![payout("a", 1, 1)])), Err(Overflow));
    assert_eq!(record, before);
}

#[test]
fn a_list_is_told_from_another_and_not_from_another_unit() {
    assert!(is_same_list("list:/p:/tx:/a", "list:/p:/tx:/a@1e-8") && is_same_list("list:/p:/tx:/a@1e-9", "list:/p:/tx:/a@1e-8"));
    assert!(!is_same_list("list:/p:/tx:/a", "list:/p:/id:/a") && !is_same_list("/paid", "/paid") && !is_list("/paid"));
}

proptest! {
    /// Whatever parts of a pool's payouts are shown, in whatever order, to a record that forgets what is not shown and asks
    /// again: it is what a set of all payouts ever shown says.
    #[test]
    fn the_sum_is_that_of_every_payout_ever_shown(views in vec(vec((0_usize..12, any::<bool>()), 0..8), 1..20)) {
        let all: Vec<Payout> = (0..12).map(|n| payout(&format!("t{n}"), 1 + i128::from(n) * 7, 1_000 - n)).collect();
        let mut stored: HashMap<String, Known> = HashMap::new();
        let mut record = Record::default();
        for view in views {
            let forgets = view.first().is_some_and(|(_, forgets)| *forgets);
            let mut seen: Vec<usize> = view.into_iter().map(|(n, _)| n).collect();
            seen.dedup();
            let listed = list(seen.iter().map(|n| all[*n].clone()).collect::<Vec<_>>());
            let listed = Listed { payouts: listed.payouts.iter().enumerate()
                .filter(|(at, payout)| listed.payouts[..*at].iter().all(|before| before.id != payout.id))
                .map(|(_, payout)| payout.clone()).collect(), ..listed };
            if forgets {
                record.known.clear();
            }
            for id in record.unknown(&listed).map(str::to_owned).collect::<Vec<_>>() {
                if let Some(known) = stored.get(&id) {
                    record.known.insert(id, known.clone());
                }
            }
            let taken = record.take(&listed).unwrap();
            prop_assert!(taken.changed.is_none());
            for fresh in &taken.fresh {
                let known = Known { amount: fresh.payout.amount, source: listed.source.clone() };
                prop_assert!(stored.insert(fresh.payout.id.clone(), known).is_none(), "recorded twice");
            }
            record.keep_only(&listed);
            prop_assert!(record.known.len() <= listed.payouts.len());
            let sum: i128 = stored.values().map(|known| known.amount.units()).sum();
            prop_assert_eq!((record.total.units(), record.number), (sum, i64::try_from(stored.len()).unwrap()));
        }
    }
}
