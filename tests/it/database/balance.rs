//! What must hold in the database after whatever happened.

use std::collections::BTreeMap;

use entity::{Money, mining_events, players};
use pool_poller::domain::Amount;
use sea_orm::EntityTrait as _;

use super::bench::Bench;

fn exact(money: Money) -> Amount {
    Amount::from_decimal(money.0).unwrap_or_else(|| panic!("{money:?} is no amount"))
}

fn native(event: &mining_events::Model) -> Amount {
    exact(event.native_amount.expect("an event of this program"))
}

fn sum(amounts: impl Iterator<Item = Amount>) -> Amount {
    amounts.fold(Amount::ZERO, |sum, amount| sum.checked_add(amount).expect("a sum"))
}

/// Per position, awards and held events add up to high water − baseline and are numbered without gaps; per player, so do the
/// totals and the awards. Players must have begun with nothing.
pub(super) async fn assert_balanced(bench: &Bench) {
    let events = bench.events().await;
    for position in bench.positions().await {
        let mine: Vec<&mining_events::Model> = events.iter().filter(|event| event.position_id == Some(position.id)).collect();
        let found = sum(mine.iter().map(|event| native(event)));
        let risen = exact(position.high_water).checked_sub(exact(position.baseline)).expect("a difference");
        assert_eq!(found, risen, "position {}: {position:?}", position.id);
        let numbers: Vec<Option<i64>> = mine.iter().map(|event| event.position_sequence).collect();
        assert_eq!(numbers, (1..=position.sequence).map(Some).collect::<Vec<_>>(), "position {}", position.id);
        assert!(mine.iter().all(|event| event.player_id == position.player_id), "position {}", position.id);
    }
    for player in players::Entity::find().all(&bench.db).await.expect("players") {
        let mine: Vec<&mining_events::Model> =
            events.iter().filter(|event| event.player_id == player.id && event.status == mining_events::AWARDED).collect();
        assert_eq!(exact(player.total_ap), sum(mine.iter().map(|event| exact(event.ap_awarded))), "player {}", player.id);
        assert_eq!(
            exact(player.total_advc_mined),
            sum(mine.iter().map(|event| exact(event.advc_amount))),
            "player {}",
            player.id
        );
        let mut numbers: Vec<i64> = mine.iter().map(|event| event.player_sequence.expect("a number")).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=player.event_sequence).collect::<Vec<_>>(), "player {}", player.id);
        // What each notice says is what the total was right after it.
        let mut in_order = mine.clone();
        in_order.sort_by_key(|event| event.player_sequence);
        let mut so_far = Amount::ZERO;
        for event in in_order {
            so_far = so_far.checked_add(exact(event.ap_awarded)).expect("a sum");
            assert_eq!(event.total_ap_after.map(exact), Some(so_far), "event {}", event.id);
        }
    }
    for event in events.iter().filter(|event| event.status == mining_events::HELD) {
        assert_eq!((exact(event.ap_awarded), event.player_sequence), (Amount::ZERO, None), "event {}", event.id);
    }
}

/// What was found on each wallet, over all players.
pub(super) async fn found_by_wallet(bench: &Bench) -> BTreeMap<String, Amount> {
    let mut found: BTreeMap<String, Amount> = BTreeMap::new();
    for event in bench.events().await {
        let so_far = found.entry(event.address.clone().expect("a wallet")).or_default();
        *so_far = so_far.checked_add(native(&event)).expect("a sum");
    }
    found
}
