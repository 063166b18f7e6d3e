//! What the replaced service awarded twice: it compared with its newest snapshot, which was a zero after a failed answer, so the
//! next good answer awarded the whole counter again.

use chrono::NaiveDateTime;
use futures_util::TryStreamExt as _;
use rust_decimal::Decimal;
use sea_orm::{DatabaseTransaction, Statement, StreamTrait as _};

use super::figure;
use super::original::EVENTS;
use super::{TakeoverError, backend_of};

/// All of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Twice {
    /// The events, by player and pool and in the order they were made.
    pub events: Vec<TwiceEvent>,
    /// The sum of their ADVC.
    pub advc: Decimal,
    /// The sum of their AP.
    pub ap: Decimal,
    /// The ADVC in them that an earlier event had covered already.
    pub advc_covered: Decimal,
}

/// An event whose `previous_paid` is below an earlier `current_paid` of the same player and pool.
#[derive(Debug, Clone, PartialEq)]
pub struct TwiceEvent {
    /// `mining_events.id`.
    pub id: i64,
    /// Whose.
    pub player_id: i32,
    /// On which pool.
    pub pool: String,
    /// When, UTC.
    pub at: NaiveDateTime,
    /// What it began at.
    pub previous: Decimal,
    /// What it ended at.
    pub current: Decimal,
    /// The highest `current_paid` before it.
    pub earlier: Decimal,
    /// ADVC in all.
    pub advc: Decimal,
    /// AP given for it.
    pub ap: Decimal,
    /// The part of `previous` to `current` that lies below `earlier`.
    pub advc_covered: Decimal,
}

/// Goes through all events by player and pool, in the order of their times and ids.
pub(super) async fn find(db: &DatabaseTransaction) -> Result<Twice, TakeoverError> {
    let backend = backend_of(db);
    let [advc, ap, previous, current] =
        ["advc_amount", "ap_awarded", "previous_paid", "current_paid"].map(|column| figure::selected(backend, column));
    let sql = format!(
        "SELECT CAST(id AS bigint), player_id, pool_name, event_time, {advc}, {ap}, {previous}, {current} FROM {} \
         ORDER BY player_id, pool_name, event_time, id",
        EVENTS.name
    );
    let mut rows = db.stream_raw(Statement::from_string(backend, sql)).await?;
    let mut twice = Twice::default();
    let mut of: Option<(i32, String)> = None;
    let mut earlier: Option<Decimal> = None;
    while let Some(row) = rows.try_next().await? {
        let (player_id, pool): (i32, String) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
        let same = of.as_ref().is_some_and(|(player, name)| *player == player_id && *name == pool);
        if !same {
            of = Some((player_id, pool.clone()));
            earlier = None;
        }
        let mut numbers = [Decimal::ZERO; 4];
        let mut odd = false;
        for (place, index) in numbers.iter_mut().zip(4..) {
            match figure::read(&row, index)?.as_deref().and_then(figure::number) {
                Some(number) => *place = number,
                None => odd = true,
            }
        }
        // What is no number is among the ignored figures.
        if odd {
            continue;
        }
        let [advc, ap, previous, current] = numbers;
        if let Some(earlier) = earlier.filter(|earlier| previous < *earlier) {
            let id = row.try_get_by_index(0)?;
            let advc_covered = current.min(earlier) - previous;
            twice.advc = sum(twice.advc, advc)?;
            twice.ap = sum(twice.ap, ap)?;
            twice.advc_covered = sum(twice.advc_covered, advc_covered)?;
            let at = row.try_get_by_index(3)?;
            twice.events.push(TwiceEvent { id, player_id, pool, at, previous, current, earlier, advc, ap, advc_covered });
        }
        earlier = Some(earlier.map_or(current, |earlier| earlier.max(current)));
    }
    Ok(twice)
}

fn sum(one: Decimal, other: Decimal) -> Result<Decimal, TakeoverError> {
    one.checked_add(other).ok_or_else(|| TakeoverError::Mismatch("a sum of events outgrows every number".to_owned()))
}
