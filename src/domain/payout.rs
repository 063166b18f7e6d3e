//! The money rule of SPEC.md section 2: what a reading means against a position.
//!
//! Promises: only the part of a counter above the position's high-water mark is ever credited, and once; the difference
//! is taken in the pool's own currency and only then converted, so a changed rate never creates a payout; whatever is
//! doubtful is held or refused and never credited. Leaves to others: storing it (`store`), telling of it (`notify`).

use std::sync::Arc;

use super::amount::{Amount, Overflow, Points, Rate};
use super::names::Currency;
use super::reading::Counter;

/// The operator's settings that the rule depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What the first reading of a wallet means.
    pub first_reading: FirstReading,
    /// A rise of at most this much ADVC waits until more has come together.
    pub min_payout_delta: Amount,
    /// A rise of more than this much ADVC is held for an operator.
    pub max_payout_delta: Amount,
    /// Adventure Points per ADVC.
    pub ap_per_advc: Rate,
}

/// What the first reading of a wallet means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstReading {
    /// It is where counting begins: nothing is awarded for the past.
    Baseline,
    /// Everything the pool ever paid to the wallet is awarded.
    Award,
}

/// How many readings a position that began at zero counts as a pool that may be restarting.
pub const UNSETTLED_READINGS: i32 = 3;
/// The smallest power of ten by which a counter must have been multiplied to look like a change of unit.
pub const UNIT_CHANGE_POWER_MIN: u32 = 3;

/// What is known and accounted for, of one player's one wallet on one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The currency of all amounts in here, pinned at the first reading.
    pub currency: Currency,
    /// The field the counter comes from, pinned at the first reading. After a takeover it is not known yet; see
    /// [`Position::taken_over`].
    pub source: Arc<str>,
    /// Where counting began.
    pub baseline: Amount,
    /// The highest counter accounted for; it never falls by itself.
    pub high_water: Amount,
    /// Grows by one with every event; the event's number within the position.
    pub sequence: i64,
    /// Readings seen, counted up to [`UNSETTLED_READINGS`] (more is not told apart).
    pub readings: i32,
    /// Whether the first reading was zero.
    pub began_at_zero: bool,
    /// Whether the unit of the counter is in doubt: see [`HoldReason::doubts_the_unit`]. An operator's approval of that event
    /// ends it, or a rebase.
    pub unit_in_doubt: bool,
}

/// An amount found above the high-water mark, converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// The high-water mark before, in the pool's own currency.
    pub previous: Amount,
    /// The counter now, in the pool's own currency.
    pub current: Amount,
    /// `current − previous`, in the pool's own currency.
    pub native: Amount,
    /// ADVC per unit of that currency.
    pub rate: Rate,
    /// `native × rate`.
    pub advc: Amount,
    /// `advc × AP_PER_ADVC`.
    pub points: Points,
    /// `previous × rate`, for `mining_events.previous_paid`.
    pub previous_advc: Amount,
    /// `current × rate`, for `mining_events.current_paid`.
    pub current_advc: Amount,
}

/// Why a credit waits for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldReason {
    /// More ADVC at once than `MAX_PAYOUT_DELTA`.
    AboveMaximum,
    /// The counter was multiplied by exactly a power of ten of at least [`UNIT_CHANGE_POWER_MIN`].
    UnitChange,
    /// It rose within the first readings of a position that began at zero: the pool may have been restarting.
    PoolRestart,
    /// It comes after a hold that leaves the unit in doubt: in the wrong unit, a rise is worth anything, also less than
    /// `MAX_PAYOUT_DELTA`.
    UnitInDoubt,
    /// It is the first counter of a taken-over position, and another field than the replaced service read its mark from:
    /// how much of it that service has accounted for is not known.
    TakenOver,
    /// The list that it comes from shows another amount for a payout that is recorded: what the list says is in doubt.
    PayoutChanged,
}

impl HoldReason {
    /// The name in the database and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AboveMaximum => "above_maximum",
            Self::UnitChange => "unit_change",
            Self::PoolRestart => "pool_restart",
            Self::UnitInDoubt => "unit_in_doubt",
            Self::TakenOver => "taken_over",
            Self::PayoutChanged => "payout_changed",
        }
    }

    /// The reasons that can leave the unit in doubt.
    pub const ABOUT_THE_UNIT: [Self; 2] = [Self::UnitChange, Self::AboveMaximum];

    /// Whether a rise from `previous` to `current` that is held for this reason leaves the unit of the counter in doubt, until
    /// an operator has approved it or has rebased the position. A counter that is too large and a thousand times what it was
    /// can be a change of unit with a payout on top.
    #[must_use]
    pub fn doubts_the_unit(self, previous: Amount, current: Amount) -> bool {
        match self {
            Self::UnitChange => true,
            Self::AboveMaximum => {
                let factor = 10_i128.checked_pow(UNIT_CHANGE_POWER_MIN);
                let bound = factor.and_then(|factor| previous.units().checked_mul(factor));
                previous > Amount::ZERO && bound.is_some_and(|bound| current.units() >= bound)
            }
            Self::PoolRestart | Self::UnitInDoubt | Self::TakenOver | Self::PayoutChanged => false,
        }
    }
}

/// An answer that must not be credited and that a person should see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnomalyKind {
    /// The counter is below the high-water mark.
    CounterFell,
    /// The currency, or the field the counter came from, is not the position's.
    SourceChanged,
    /// No `<CUR>_TO_ADVC_RATE` is set for the currency.
    NoRate,
    /// The converted amount is too large to be represented.
    AmountOverflow,
    /// The answer names another wallet than the one asked for.
    IdentityMismatch,
    /// Another player already has this wallet on this pool.
    WalletTaken,
    /// The database refuses this reading and no other of its batch.
    ReadingRefused,
    /// A listed payout has another amount than the one recorded under its id.
    PayoutChanged,
    /// A list was not read for longer than it reaches back: payouts may have left it unseen.
    ListGap,
}

impl AnomalyKind {
    /// The name in the database, in logs and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CounterFell => "counter_fell",
            Self::SourceChanged => "source_changed",
            Self::NoRate => "no_rate",
            Self::AmountOverflow => "amount_overflow",
            Self::IdentityMismatch => "identity_mismatch",
            Self::WalletTaken => "wallet_taken",
            Self::ReadingRefused => "reading_refused",
            Self::PayoutChanged => "payout_changed",
            Self::ListGap => "list_gap",
        }
    }
}

/// What a reading means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The counter stands where it stood.
    Unchanged,
    /// It rose by too little to count yet; the high-water mark stays, so dust adds up.
    Dust,
    /// It rose: award the credit, the high-water mark rises to `credit.current`.
    Award(Credit),
    /// It rose in a doubtful way: record the credit without AP; the high-water mark rises all the same, so that the
    /// event is not found again.
    Hold(Credit, HoldReason),
    /// Nothing is credited and nothing moves.
    Refuse(AnomalyKind),
}

impl Decision {
    /// The anomaly that a person should see, if any.
    #[must_use]
    pub fn anomaly(&self) -> Option<AnomalyKind> {
        match self {
            Self::Refuse(kind) => Some(*kind),
            _ => None,
        }
    }

    /// The same decision about a reading that is in doubt: what would be awarded is held.
    #[must_use]
    pub fn doubted(self, reason: HoldReason) -> Self {
        match self {
            Self::Award(credit) => Self::Hold(credit, reason),
            other => other,
        }
    }
}

/// Opens a position at the first reading of a wallet. It credits nothing; [`decide`] is then asked about the same reading.
///
/// `past_may_count` is false where the wallet's past must not be paid whatever the setting: the player had another wallet
/// on this pool before, or the wallet was somebody else's. Opening needs no rate, so a currency whose rate is set later
/// loses nothing that was paid in between.
#[must_use]
pub fn open(currency: Currency, counter: &Counter, policy: &Policy, past_may_count: bool) -> Position {
    let from_zero = policy.first_reading == FirstReading::Award && past_may_count;
    let baseline = if from_zero { Amount::ZERO } else { counter.paid };
    Position {
        currency,
        source: Arc::clone(&counter.source),
        baseline,
        high_water: baseline,
        sequence: 0,
        readings: 0,
        began_at_zero: counter.paid == Amount::ZERO,
        unit_in_doubt: false,
    }
}

/// What a counter means against a position. `rate` is ADVC per unit of `currency`, if one is set.
#[must_use]
pub fn decide(position: &Position, currency: &Currency, counter: &Counter, rate: Option<Rate>, policy: &Policy) -> Decision {
    if *currency != position.currency || (position.is_pinned() && counter.source != position.source) {
        return Decision::Refuse(AnomalyKind::SourceChanged);
    }
    let Some(rate) = rate else {
        return Decision::Refuse(AnomalyKind::NoRate);
    };
    match counter.paid.cmp(&position.high_water) {
        std::cmp::Ordering::Less => Decision::Refuse(AnomalyKind::CounterFell),
        std::cmp::Ordering::Equal => Decision::Unchanged,
        std::cmp::Ordering::Greater => match credit(position.high_water, counter.paid, rate, policy) {
            Err(Overflow) => Decision::Refuse(AnomalyKind::AmountOverflow),
            Ok(credit) if credit.advc <= policy.min_payout_delta => Decision::Dust,
            Ok(credit) => match doubt(position, counter, &credit, policy) {
                Some(reason) => Decision::Hold(credit, reason),
                None => Decision::Award(credit),
            },
        },
    }
}

/// Converts the rise from `previous` to `current`.
fn credit(previous: Amount, current: Amount, rate: Rate, policy: &Policy) -> Result<Credit, Overflow> {
    let native = current.checked_sub(previous).ok_or(Overflow)?;
    let advc = native.convert(rate)?;
    Ok(Credit {
        previous,
        current,
        native,
        rate,
        advc,
        points: Points::new(advc.convert(policy.ap_per_advc)?),
        previous_advc: previous.convert(rate)?,
        current_advc: current.convert(rate)?,
    })
}

/// Why a rise should wait for an operator, if it should.
fn doubt(position: &Position, counter: &Counter, credit: &Credit, policy: &Policy) -> Option<HoldReason> {
    if position.expected_sources().is_some_and(|mut expected| !expected.any(|source| *source == *counter.source)) {
        return Some(HoldReason::TakenOver);
    }
    let power = credit.current.power_of_ten_over(credit.previous);
    if power.is_some_and(|power| power >= UNIT_CHANGE_POWER_MIN) {
        return Some(HoldReason::UnitChange);
    }
    if position.unit_in_doubt {
        return Some(HoldReason::UnitInDoubt);
    }
    if position.began_at_zero && position.readings < UNSETTLED_READINGS {
        return Some(HoldReason::PoolRestart);
    }
    (credit.advc > policy.max_payout_delta).then_some(HoldReason::AboveMaximum)
}

/// The first character of `source` while no field is pinned; a JSON pointer never begins with it. The fields that the mark may
/// come from follow, separated by [`NEXT_SOURCE`].
const UNPINNED: char = '~';
/// Separates the fields of a position that is not pinned.
const NEXT_SOURCE: char = '|';

/// Whether two positions of one wallet may count the same field: theirs is the same, or of one it is not known.
#[must_use]
pub fn may_be_same_source(one: &str, other: &str) -> bool {
    one == other || one.starts_with(UNPINNED) || other.starts_with(UNPINNED)
}

impl Position {
    /// A position whose mark another service has recorded, in one of the fields `sources`, and which one is not known.
    ///
    /// The first believed counter pins the field, and never pays for what that service may have accounted for: in one of
    /// `sources` it counts like any other; in another field its whole rise is held. A counter below the mark pins nothing,
    /// because it may be another field.
    #[must_use]
    pub fn taken_over(currency: Currency, mark: Amount, sources: &[&str]) -> Self {
        Self {
            currency,
            source: format!("{UNPINNED}{}", sources.join(&NEXT_SOURCE.to_string())).into(),
            baseline: mark,
            high_water: mark,
            sequence: 0,
            readings: 0,
            // That service wrote zeros for failed answers too, so a mark of zero says nothing of the pool.
            began_at_zero: mark == Amount::ZERO,
            unit_in_doubt: false,
        }
    }

    /// The source of a position that will count `source` from its first reading on, whatever that shows.
    #[must_use]
    pub fn unpinned(source: &str) -> String {
        format!("{UNPINNED}{source}")
    }

    /// The position once it begins to count a list, whose payouts so far add up to `total`: they are the past, because how
    /// many of them another field has accounted for is not known. Only a position that is not pinned begins so, and that
    /// has credited nothing yet: its baseline is its mark.
    #[must_use]
    pub fn beginning_at(&self, total: Amount) -> Self {
        Self { baseline: total, high_water: total, ..self.clone() }
    }

    /// Whether the field of the counter is known.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        !self.source.starts_with(UNPINNED)
    }

    /// The fields that the mark may come from, while none is pinned.
    fn expected_sources(&self) -> Option<impl Iterator<Item = &str>> {
        self.source.strip_prefix(UNPINNED).map(|sources| sources.split(NEXT_SOURCE).filter(|source| !source.is_empty()))
    }

    /// Which of an answer's counters the position is about: that of the pinned field, or else the preferred one.
    ///
    /// While none is pinned, the fields that the mark may come from go first, and among several the lowest that is not
    /// below the mark: it is the one that pays least.
    #[must_use]
    pub fn counter_in<'a>(&self, counters: &'a [Counter]) -> Option<&'a Counter> {
        let Some(expected) = self.expected_sources() else {
            return counters.iter().find(|counter| counter.source == self.source).or_else(|| counters.first());
        };
        let expected: Vec<&str> = expected.collect();
        let mut candidates: Vec<&Counter> =
            counters.iter().filter(|counter| expected.contains(&counter.source.as_ref())).collect();
        if candidates.is_empty() {
            candidates = counters.iter().collect();
        }
        let lowest = candidates.iter().filter(|counter| counter.paid >= self.high_water).min_by_key(|counter| counter.paid);
        lowest.or_else(|| candidates.first()).copied()
    }

    /// The position after `counter` was decided as `decision`: what [`Position::after`] says, with the field pinned.
    #[must_use]
    pub fn after_counter(&self, decision: &Decision, counter: &Counter) -> Self {
        let mut next = self.after(decision);
        if !matches!(decision, Decision::Refuse(_)) {
            next.source = Arc::clone(&counter.source);
        }
        next
    }

    /// Whether an unchanged `counter` leaves the position as it is: the field is pinned to it and enough readings were seen.
    #[must_use]
    pub fn is_settled_in(&self, counter: &Counter) -> bool {
        self.readings >= UNSETTLED_READINGS && self.source == counter.source
    }

    /// The position after a reading that was decided as `decision`.
    #[must_use]
    pub fn after(&self, decision: &Decision) -> Self {
        let mut next = self.clone();
        match decision {
            Decision::Award(credit) | Decision::Hold(credit, _) => {
                next.high_water = credit.current;
                next.sequence += 1;
                if let Decision::Hold(_, reason) = decision {
                    next.unit_in_doubt |= reason.doubts_the_unit(credit.previous, credit.current);
                }
            }
            Decision::Unchanged | Decision::Dust => {}
            // An answer that is not believed does not help a new position to settle either.
            Decision::Refuse(_) => return next,
        }
        next.readings = (next.readings + 1).min(UNSETTLED_READINGS);
        next
    }
}

#[cfg(test)]
#[path = "payout_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "payout_model_tests.rs"]
mod model_tests;
