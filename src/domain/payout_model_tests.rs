//! The money rule against a model of it, over random histories of readings, crashes, duplicates and a second ledger.
//!
//! The histories run through the rule as the store runs it: a ledger decides by what it remembers, and what it decided is
//! stored only where the stored position still has the sequence and the readings it remembered; else it reads the position
//! and decides again.

use proptest::prelude::*;

use super::*;

const MIN: i128 = 10_000;
const MAX: i128 = 10_000_000_000_000;

fn policy() -> Policy {
    let amount = |units| Amount::from_units(units).unwrap();
    Policy {
        first_reading: FirstReading::Baseline,
        min_payout_delta: amount(MIN),
        max_payout_delta: amount(MAX),
        ap_per_advc: "100".parse().unwrap(),
    }
}

/// The rule in plain integers: what is awarded and what is held over all readings of one wallet.
#[derive(Debug, Default, PartialEq)]
struct Model {
    high: Option<i128>,
    began_at_zero: bool,
    settled: u32,
    doubted: bool,
    awarded: i128,
    held: i128,
}

impl Model {
    fn read(&mut self, counter: i128) {
        let high = *self.high.get_or_insert_with(|| {
            self.began_at_zero = counter == 0;
            counter
        });
        if counter < high {
            return;
        }
        let rise = counter - high;
        if rise > MIN {
            let unit_change = (3..=36).any(|power| high > 0 && high.checked_mul(10_i128.pow(power)) == Some(counter));
            if unit_change || self.doubted || (self.began_at_zero && self.settled < 3) || rise > MAX {
                self.held += rise;
                let settling = self.began_at_zero && self.settled < 3;
                self.doubted |= unit_change || (!settling && rise > MAX && high > 0 && counter >= high * 1_000);
            } else {
                self.awarded += rise;
            }
            self.high = Some(counter);
        }
        self.settled += 1;
    }
}

/// What the database holds of one wallet.
#[derive(Default)]
struct Stored {
    position: Option<Position>,
    awarded: i128,
    held: i128,
}

impl Stored {
    /// One reading by a ledger that remembers `memory`; `crash` is where the process dies, if it does.
    fn record(&mut self, memory: &mut Option<Position>, counter: i128, crash: Option<Crash>) {
        let counter = Counter { source: "/paid".into(), paid: Amount::from_units(counter).unwrap() };
        let currency: Currency = "ADVC".parse().unwrap();
        loop {
            if memory.is_none() {
                memory.clone_from(&self.position);
            }
            let before = memory.clone().unwrap_or_else(|| open(currency.clone(), &counter, &policy(), true));
            let decision = decide(&before, &currency, &counter, Some(Rate::ONE), &policy());
            let after = before.after(&decision);
            if crash == Some(Crash::BeforeCommit) {
                *memory = None;
                return;
            }
            let guard = |position: &Position| (position.sequence, position.readings);
            if self.position.as_ref().map(guard) != memory.as_ref().map(guard) {
                *memory = None;
                continue;
            }
            // One transaction: the position and its event together.
            match &decision {
                Decision::Award(credit) => self.awarded += credit.advc.units(),
                Decision::Hold(credit, _) => self.held += credit.advc.units(),
                Decision::Unchanged | Decision::Dust | Decision::Refuse(_) => {}
            }
            self.position = Some(after.clone());
            *memory = (crash != Some(Crash::AfterCommit)).then_some(after);
            return;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Crash {
    BeforeCommit,
    AfterCommit,
}

#[derive(Debug, Clone)]
struct Step {
    /// What the pool pays before this reading.
    pays: i128,
    /// What it shows instead of the truth, in tenths; 10 is the truth.
    shows: i128,
    /// How often the same answer arrives.
    times: u8,
    crash: Option<Crash>,
}

fn step() -> impl Strategy<Value = Step> {
    let pays = prop_oneof![3 => Just(0_i128), 3 => 1_i128..MIN * 2, 6 => 1_i128..100_000_000_000, 1 => MAX - 5..MAX * 3];
    let shows = prop_oneof![8 => Just(10_i128), 1 => 0_i128..10, 1 => Just(10_000_i128)];
    let crash = prop_oneof![6 => Just(None), 1 => Just(Some(Crash::BeforeCommit)), 1 => Just(Some(Crash::AfterCommit))];
    (pays, shows, 1_u8..3, crash).prop_map(|(pays, shows, times, crash)| Step { pays, shows, times, crash })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn histories_with_crashes_duplicates_and_a_second_ledger_agree_with_the_model(
        start in prop_oneof![Just(0_i128), 1_i128..1_000_000_000],
        steps in prop::collection::vec(step(), 0..16),
    ) {
        let (mut model, mut stored) = (Model::default(), Stored::default());
        let mut memories = [None, None];
        let mut truth = start;
        for (number, step) in steps.iter().enumerate() {
            truth += step.pays;
            let shown = truth * step.shows / 10;
            if shown >= 10_i128.pow(22) {
                break;
            }
            for _ in 0..step.times {
                stored.record(&mut memories[number % 2], shown, step.crash);
                if step.crash != Some(Crash::BeforeCommit) {
                    model.read(shown);
                }
            }
        }
        let high = stored.position.as_ref().map(|position| position.high_water.units());
        prop_assert_eq!((stored.awarded, stored.held, high), (model.awarded, model.held, model.high));
    }
}
