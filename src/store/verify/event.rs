//! What must hold of one event by itself.

use entity::mining_events::{AWARDED, HELD, REJECTED};
use rust_decimal::Decimal;
use sea_orm::DatabaseTransaction;

use super::rows::{self, EventRow};
use super::{Report, amount};
use crate::domain::{Amount, EventId, Rate};
use crate::store::StoreError;

pub(super) fn place(event: &EventRow) -> String {
    format!("event {} (player {}, {})", event.id, event.player_id, event.pool_name)
}

/// Reads an amount of an event, noting where there is none. Each column of an event is read by this once, so that one fault is
/// one difference.
pub(super) fn read(event: &EventRow, column: &str, text: Option<&str>, report: &mut Report) -> Option<Amount> {
    let read = text.and_then(amount);
    if read.is_none() {
        let found = text.unwrap_or("nothing");
        report.differs("unreadable_amount", &place(event), format!("an amount in {column}"), found);
    }
    read
}

fn rate(text: Option<&str>) -> Option<Rate> {
    Rate::from_decimal(text?.parse::<Decimal>().ok()?).ok()
}

/// Checks an event of a position and answers its native amount, previous and current counter.
pub(super) fn check(event: &EventRow, report: &mut Report) -> Option<(Amount, Amount, Amount)> {
    let place = place(event);
    check_status(event, &place, report);
    check_points(event, &place, report);
    // All are read before the first that is missing ends the check: nobody else says of them that they cannot be.
    let advc = read(event, "advc_amount", Some(&event.advc_amount), report);
    let native = read(event, "native_amount", event.native_amount.as_deref(), report);
    let previous = read(event, "native_previous", event.native_previous.as_deref(), report);
    let current = read(event, "native_current", event.native_current.as_deref(), report);
    let (native, previous, current) = (native?, previous?, current?);
    let difference = current.checked_sub(previous).unwrap_or_default();
    report.compare("native_amount", &place, difference, native);
    if native <= Amount::ZERO {
        report.differs("native_amount", &place, "above 0", native);
    }
    match (rate(event.rate.as_deref()).map(|rate| native.convert(rate)), advc) {
        (Some(Ok(converted)), Some(advc)) => report.compare("advc_amount", &place, converted, advc),
        (Some(Ok(_)), None) => {}
        _ => report.differs("rate", &place, "a rate", event.rate.as_deref().unwrap_or("nothing")),
    }
    let derived = match (event.pool_name.parse(), event.address.as_deref().unwrap_or_default().parse()) {
        (Ok(pool), Ok(wallet)) => EventId::derive(&pool, &wallet, event.epoch, previous, current).to_string(),
        _ => "the id of a pool and an address".to_owned(),
    };
    report.compare("event_id", &place, derived, event.event_id.clone().unwrap_or_default());
    Some((native, previous, current))
}

/// Status, number and totals belong together.
fn check_status(event: &EventRow, place: &str, report: &mut Report) {
    let numbered = event.player_sequence.is_some();
    let totals = event.total_ap_after.is_some() && event.total_advc_after.is_some();
    let agrees = match event.status.as_str() {
        AWARDED => event.processed && numbered && totals,
        HELD => !event.processed && !numbered && !totals,
        REJECTED => event.processed && !numbered && !totals,
        _ => false,
    };
    if !agrees {
        let found = format!("{} with processed {}, number {:?}", event.status, event.processed, event.player_sequence);
        report.differs("status", place, "awarded with a number and totals, or held or rejected without", found);
    }
}

/// AP are given for awards only, and as many as their ADVC are worth.
fn check_points(event: &EventRow, place: &str, report: &mut Report) {
    let Some(points) = read(event, "ap_awarded", Some(&event.ap_awarded), report) else { return };
    if event.status != AWARDED {
        report.compare("ap_awarded", place, Amount::ZERO, points);
        return;
    }
    let worth = match (amount(&event.advc_amount), event.ap_per_advc.as_deref()) {
        // It is a difference already.
        (None, Some(_)) => return,
        (Some(advc), Some(text)) => rate(Some(text)).and_then(|rate| advc.convert(rate).ok()),
        // From before the factor was recorded.
        (_, None) if points >= Amount::ZERO => return,
        _ => None,
    };
    match worth {
        Some(worth) => report.compare("ap_awarded", place, worth, points),
        None => report.differs("ap_awarded", place, "ADVC times AP_PER_ADVC", points),
    }
}

/// A reversal is the exact negative of one award.
pub(super) async fn check_reversal(
    db: &DatabaseTransaction,
    event: &EventRow,
    reversed: i64,
    report: &mut Report,
) -> Result<(), StoreError> {
    let place = place(event);
    check_status(event, &place, report);
    let advc = read(event, "advc_amount", Some(&event.advc_amount), report);
    let points = read(event, "ap_awarded", Some(&event.ap_awarded), report);
    let Some(wrong) = rows::event(db, reversed).await? else {
        report.differs("reversal", &place, format!("the award {reversed}"), "no such event");
        return Ok(());
    };
    if wrong.status != AWARDED || wrong.reverses.is_some() || wrong.player_id != event.player_id {
        report.differs("reversal", &place, format!("an award of player {}", event.player_id), format!("event {}", wrong.id));
    }
    let known_as = wrong.event_id.clone().unwrap_or_else(|| format!("row {}", wrong.id));
    let id = EventId::reversal(&known_as).to_string();
    report.compare("event_id", &place, id, event.event_id.clone().unwrap_or_default());
    if wrong.event_id.is_none() {
        // The replaced service counted in floats; the amounts are the same only as far as eight places go.
        return Ok(());
    }
    let native = event.native_amount.as_deref();
    let native = native.and_then(|_| read(event, "native_amount", native, report));
    let pairs = [
        ("advc_amount", amount(&wrong.advc_amount), advc),
        ("ap_awarded", amount(&wrong.ap_awarded), points),
        ("native_amount", wrong.native_amount.as_deref().and_then(amount), native),
    ];
    for (column, given, taken) in pairs {
        match (given, taken) {
            (Some(given), Some(taken)) => report.compare(column, &place, given.negated(), taken),
            (Some(given), None) if column == "native_amount" && event.native_amount.is_none() => {
                report.differs(column, &place, given.negated(), "nothing");
            }
            // What cannot be read is a difference of its own row.
            _ => {}
        }
    }
    Ok(())
}
