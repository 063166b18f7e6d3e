use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn pool(name: &str) -> PoolName {
    name.parse().unwrap()
}

/// Players with their ADVC wallet and their address for `zpool`; an empty text is none.
fn roster(players: &[(i32, &str, &str)]) -> Roster {
    let mut roster = Roster::default();
    for (id, wallet, _) in players {
        roster.add_player(PlayerId(*id), wallet);
    }
    for (id, _, zpool) in players.iter().filter(|(.., zpool)| !zpool.is_empty()) {
        roster.add_pool_wallet(PlayerId(*id), "zpool", zpool);
    }
    roster
}

fn asked(jobs: &[PollJob]) -> Vec<(i32, &str)> {
    jobs.iter().map(|job| (job.player.0, job.wallet.as_str())).collect()
}

fn work(lists: &mut Lists, name: &str, addresses: AddressKind) -> PoolWork {
    lists.work([(&pool(name), addresses)]).0.pop().unwrap()
}

#[test]
fn a_pool_is_asked_about_its_own_address_and_else_about_the_advc_wallet() {
    let mut lists = Lists::default();
    lists.take_up(roster(&[(1, "A", ""), (2, "B", "btc2"), (3, "", "")]));
    assert_eq!(asked(&work(&mut lists, "zpool", AddressKind::Player).jobs), [(1, "A"), (2, "btc2")]);
    assert_eq!(asked(&work(&mut lists, "zpool", AddressKind::Payout).jobs), [(2, "btc2")]);
    assert_eq!(asked(&work(&mut lists, "rplant", AddressKind::Player).jobs), [(1, "A"), (2, "B")]);
}

#[test]
fn one_wallet_stands_for_one_player() {
    let mut lists = Lists::default();
    lists.take_up(roster(&[(1, "A", ""), (2, "B", "A")]));
    let (work, players) = lists.work([(&pool("zpool"), AddressKind::Player)]);
    assert_eq!(asked(&work[0].jobs), [(1, "A")], "the proven wallet is its owner's");
    assert_eq!(asked(&work[0].taken), [(2, "A")]);
    assert_eq!(players, 1);
}

#[test]
fn where_nothing_has_changed_the_lists_are_the_same_ones_and_else_the_texts_are() {
    let (zpool, rplant, cpu) = (pool("zpool"), pool("rplant"), pool("cpu-pool"));
    let mut players = [(1, "A", ""), (2, "B", "btc2"), (3, "C", "btc3")];
    let mut lists = Lists::default();
    let mut next = |players: &[(i32, &'static str, &'static str)]| {
        lists.take_up(roster(players));
        lists.work([&zpool, &rplant, &cpu].map(|pool| (pool, AddressKind::Player))).0
    };
    let same = |one: &PoolWork, other: &PoolWork| Arc::ptr_eq(&one.jobs, &other.jobs);
    let first = next(&players);
    assert!(same(&first[1], &first[2]), "one list for all pools for which nobody gave an address");
    let second = next(&players);
    assert!(first.iter().zip(&second).all(|(one, other)| same(one, other)));
    players[2].2 = "btc4";
    let third = next(&players);
    assert!(!same(&second[0], &third[0]) && same(&second[1], &third[1]));
    assert_eq!(asked(&third[0].jobs), [(1, "A"), (2, "btc2"), (3, "btc4")]);
    players[0].1 = "Z";
    let fourth = next(&players);
    assert_eq!((asked(&fourth[0].jobs)[0], asked(&fourth[1].jobs)[0]), ((1, "Z"), (1, "Z")));
    let kept = third[0].jobs.iter().zip(fourth[0].jobs.iter()).skip(1);
    assert!(kept.clone().count() == 2 && kept.clone().all(|(one, other)| one.wallet.shares_text_with(&other.wallet)));
}

#[test]
fn whoever_is_gone_is_not_asked_about() {
    let mut lists = Lists::default();
    lists.take_up(roster(&[(1, "A", "btc1"), (5, "B", "btc5")]));
    work(&mut lists, "rplant", AddressKind::Player);
    // As many players as before, and nothing of them that was not there before.
    lists.take_up(roster(&[(1, "A", "btc1"), (2, "", "")]));
    assert_eq!(asked(&work(&mut lists, "rplant", AddressKind::Player).jobs), [(1, "A")]);
    assert_eq!(asked(&work(&mut lists, "zpool", AddressKind::Player).jobs), [(1, "btc1")]);
}

/// The same written simply, from scratch for every roster.
fn model(players: &[(i32, String, String)], name: &str, addresses: AddressKind) -> (Vec<PollJob>, Vec<PollJob>) {
    let given = |zpool: &str| name == "zpool" && !zpool.is_empty();
    let job = |id: &i32, wallet: &str| Some(PollJob { player: PlayerId(*id), wallet: wallet.parse().ok()? });
    let fallback = players.iter().filter(|(.., zpool)| addresses == AddressKind::Player && !given(zpool));
    let fallback = fallback.filter_map(|(id, wallet, _)| job(id, wallet));
    let explicit = players.iter().filter(|(.., zpool)| given(zpool)).filter_map(|(id, _, zpool)| job(id, zpool));
    let mut claimed = BTreeSet::new();
    fallback.chain(explicit).partition(|job| claimed.insert(job.wallet.clone()))
}

/// Some of ten players with some of few addresses, so that many have the same.
fn some_players() -> impl Strategy<Value = Vec<(i32, String, String)>> {
    let address = prop_oneof![1 => Just(String::new()), 5 => "[A-H]"];
    let zpool = prop_oneof![2 => Just(String::new()), 1 => "[A-H]"];
    let players = prop::collection::btree_map(0..10, (address, zpool), 0..10);
    players.prop_map(|players: BTreeMap<i32, (String, String)>| players.into_iter().map(|(id, (a, z))| (id, a, z)).collect())
}

proptest! {
    #[test]
    fn lists_that_were_kept_are_as_those_made_from_scratch(
        rosters in prop::collection::vec((some_players(), 0..3_usize, any::<bool>()), 1..8),
    ) {
        use AddressKind::{Payout, Player};
        let (zpool, rplant) = (pool("zpool"), pool("rplant"));
        let all = [[(&zpool, Player), (&rplant, Player)], [(&zpool, Payout), (&rplant, Player)], [(&zpool, Payout), (&rplant, Payout)]];
        let mut lists = Lists::default();
        for (players, kinds, takes_up_twice) in &rosters {
            let borrowed: Vec<(i32, &str, &str)> = players.iter().map(|(id, a, z)| (*id, a.as_str(), z.as_str())).collect();
            for _ in 0..=usize::from(*takes_up_twice) {
                lists.take_up(roster(&borrowed));
            }
            let (work, polled) = lists.work(all[*kinds]);
            let mut expected = BTreeSet::new();
            for (work, (pool, addresses)) in work.iter().zip(all[*kinds]) {
                let (jobs, taken) = model(players, pool.as_str(), addresses);
                expected.extend(jobs.iter().map(|job| job.player));
                prop_assert_eq!(work.jobs.as_ref(), &jobs);
                prop_assert_eq!(work.taken.as_ref(), &taken);
            }
            prop_assert_eq!(polled, expected.len());
        }
    }
}
