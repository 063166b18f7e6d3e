//! Taking back an award: a row of its own with the negative of everything that the reversed event gave.
//!
//! The reversed event stays as it is. The reversing one counts in the player's totals and numbers, and is told to the game
//! like any award; it takes no number of the position and moves no mark, because the pool's counter did not move either. So
//! what is reversed is not found again.

use chrono::NaiveDateTime;
use entity::mining_events;
use rust_decimal::RoundingStrategy;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, DatabaseConnection, EntityTrait as _,
    QueryFilter as _,
};

use super::StoreError;
use super::decisions::{Decided, DecisionError, EventRef, Operator, amount, begin, finish, gone, lock_event, repeat};
use super::totals::{lock_players, store_totals};
use super::write::money;
use crate::domain::{Amount, EventId, PlayerId, Points, amount::PLACES};

/// Takes back an awarded event. `allow_negative` lets the player's AP fall below zero where they are spent already.
///
/// # Errors
/// When it is no award, is a reversal itself or is reversed already; when the AP are spent; when the database cannot be asked.
pub async fn reverse(
    db: &DatabaseConnection,
    event: EventRef,
    operator: &Operator,
    allow_negative: bool,
    now: NaiveDateTime,
) -> Result<Decided, DecisionError> {
    repeat(async || {
        let transaction = begin(db).await?;
        let wrong = lock_event(&transaction, event).await?;
        let refuse = |why: String| DecisionError::NotReversible { id: wrong.id, why };
        if let Some(reversed) = wrong.reverses {
            return Err(refuse(format!("it takes back event {reversed} itself")));
        }
        if wrong.status != mining_events::AWARDED {
            return Err(refuse(format!("it is {}, no AP was given for it", wrong.status)));
        }
        let earlier = mining_events::Entity::find().filter(mining_events::Column::Reverses.eq(wrong.id));
        if let Some(by) = earlier.one(&transaction).await? {
            return Err(refuse(format!("event {} took it back already", by.id)));
        }
        let player = PlayerId(wrong.player_id);
        let (advc, points) = (given(&wrong, wrong.advc_amount)?, Points::new(given(&wrong, wrong.ap_awarded)?));
        let mut totals = lock_players(&transaction, vec![player.0]).await?;
        let mine = totals.get_mut(&player).ok_or_else(|| gone(player))?;
        if mine.total_ap < points && !allow_negative {
            return Err(DecisionError::Spent { player, has: mine.total_ap, wanted: points });
        }
        let (advc, points) = (advc.negated(), Points::new(points.get().negated()));
        mine.add(player, advc, points)?;
        let username = mine.username.clone();
        let known_as = wrong.event_id.clone().unwrap_or_else(|| format!("row {}", wrong.id));
        let row = mining_events::ActiveModel {
            id: NotSet,
            player_id: Set(wrong.player_id),
            pool_name: Set(wrong.pool_name.clone()),
            advc_amount: Set(money(advc)),
            ap_awarded: Set(money(points.get())),
            // The way back: what was `current` becomes `previous`.
            previous_paid: Set(wrong.current_paid),
            current_paid: Set(wrong.previous_paid),
            event_time: Set(now),
            processed: Set(true),
            notified: Set(false),
            event_id: Set(Some(EventId::reversal(&known_as).to_string())),
            position_id: Set(wrong.position_id),
            position_sequence: Set(None),
            player_sequence: Set(Some(mine.sequence)),
            address: Set(wrong.address.clone()),
            native_amount: Set(match wrong.native_amount {
                Some(native) => Some(money(amount(native, wrong.id)?.negated())),
                None => None,
            }),
            native_previous: Set(wrong.native_current),
            native_current: Set(wrong.native_previous),
            currency: Set(wrong.currency.clone()),
            rate: Set(wrong.rate),
            status: Set(mining_events::AWARDED.to_owned()),
            hold_reason: Set(None),
            total_ap_after: Set(Some(money(mine.total_ap.get()))),
            total_advc_after: Set(Some(money(mine.total_advc))),
            delivery_attempts: Set(0),
            next_attempt_at: Set(None),
            delivery_dead: Set(false),
            epoch: Set(wrong.epoch),
            ap_per_advc: Set(wrong.ap_per_advc),
            decided_at: Set(Some(now)),
            decided_by: Set(Some(operator.by().to_owned())),
            decision_reason: Set(Some(operator.reason().to_owned())),
            reverses: Set(Some(wrong.id)),
        };
        let inserted = row.insert(&transaction).await?;
        store_totals(&transaction, &totals, None, now).await?;
        finish(transaction, inserted.id, username).await
    })
    .await
}

/// What an event gave. Rows of the replaced service may hold more places than an amount has; what their total was
/// raised by is known to no better than that.
fn given(event: &mining_events::Model, value: entity::Money) -> Result<Amount, StoreError> {
    if event.event_id.is_some() {
        return amount(value, event.id);
    }
    amount(entity::Money(value.0.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointNearestEven)), event.id)
}
