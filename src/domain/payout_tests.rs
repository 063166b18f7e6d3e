//! Every row of the money rule's table, and its laws.

use proptest::prelude::*;

use super::*;

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn policy() -> Policy {
    Policy {
        first_reading: FirstReading::Baseline,
        min_payout_delta: amount("0.0001"),
        max_payout_delta: amount("100000"),
        ap_per_advc: "100".parse().unwrap(),
    }
}

fn counter(paid: &str) -> Counter {
    Counter { source: "/paid".into(), paid: amount(paid) }
}

fn advc() -> Currency {
    Currency::ADVC.parse().unwrap()
}

/// A settled position that stands at `high_water`.
fn at(high_water: &str) -> Position {
    Position {
        currency: advc(),
        source: "/paid".into(),
        baseline: amount("1"),
        high_water: amount(high_water),
        sequence: 4,
        readings: UNSETTLED_READINGS,
        began_at_zero: false,
        unit_in_doubt: false,
    }
}

fn read(position: &Position, paid: &str) -> Decision {
    decide(position, &advc(), &counter(paid), Some(Rate::ONE), &policy())
}

fn awarded(decision: &Decision) -> (String, String) {
    match decision {
        Decision::Award(credit) => (credit.advc.to_string(), credit.points.to_string()),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn the_first_reading_is_a_baseline_and_awards_nothing() {
    let opened = open(advc(), &counter("900"), &policy(), true);
    assert_eq!((opened.baseline, opened.high_water, opened.sequence), (amount("900"), amount("900"), 0));
    assert_eq!(read(&opened, "900"), Decision::Unchanged);
}

#[test]
fn the_first_reading_awards_the_past_only_where_that_is_set_and_allowed() {
    let generous = Policy { first_reading: FirstReading::Award, ..policy() };
    let opened = open(advc(), &counter("900"), &generous, true);
    assert_eq!(awarded(&read(&opened, "900")), ("900".into(), "90000".into()));
    let changed_wallet = open(advc(), &counter("900"), &generous, false);
    assert_eq!(read(&changed_wallet, "900"), Decision::Unchanged);
}

#[test]
fn a_rise_is_awarded_and_the_mark_follows() {
    let position = at("10.5");
    let decision = read(&position, "12");
    assert_eq!(awarded(&decision), ("1.5".into(), "150".into()));
    let after = position.after(&decision);
    assert_eq!((after.high_water, after.sequence), (amount("12"), 5));
    assert_eq!(read(&after, "12"), Decision::Unchanged, "seen twice is credited once");
}

#[test]
fn dust_adds_up_until_it_counts() {
    let mut position = at("10");
    let mut total = Amount::ZERO;
    for step in 1..=50 {
        let paid = Amount::from_units(amount("10").units() + step * amount("0.00009").units()).unwrap();
        let decision = decide(&position, &advc(), &Counter { source: "/paid".into(), paid }, Some(Rate::ONE), &policy());
        if let Decision::Award(credit) = &decision {
            total = total.checked_add(credit.advc).unwrap();
        }
        position = position.after(&decision);
    }
    assert_eq!(total, amount("0.0045"));
    assert_eq!(read(&at("10"), "10.0001"), Decision::Dust, "the threshold itself is not above it");
}

#[test]
fn an_equal_counter_is_nothing() {
    assert_eq!(read(&at("10"), "10"), Decision::Unchanged);
}

#[test]
fn a_counter_that_falls_and_comes_back_is_credited_once() {
    let mut position = at("10");
    let mut credited = Vec::new();
    for paid in ["12", "10", "0", "12", "12.5"] {
        let decision = read(&position, paid);
        if let Decision::Award(credit) = &decision {
            credited.push(credit.advc.to_string());
        }
        position = position.after(&decision);
    }
    assert_eq!(credited, ["2", "0.5"]);
    assert_eq!(read(&at("10"), "9.99999999"), Decision::Refuse(AnomalyKind::CounterFell));
}

#[test]
fn more_than_the_maximum_is_held_and_not_found_again() {
    let position = at("10");
    assert!(matches!(read(&position, "100010"), Decision::Award(_)), "the maximum itself is allowed");
    let decision = read(&position, "100010.00000001");
    assert!(matches!(&decision, Decision::Hold(credit, HoldReason::AboveMaximum) if credit.advc == amount("100000.00000001")));
    assert_eq!(read(&position.after(&decision), "100010.00000001"), Decision::Unchanged);
}

#[test]
fn a_change_of_unit_is_held() {
    for paid in ["3000", "30000", "3000000000000"] {
        assert!(matches!(read(&at("3"), paid), Decision::Hold(_, HoldReason::UnitChange)), "{paid}");
    }
    assert!(matches!(read(&at("3"), "300"), Decision::Award(_)), "a hundredfold is no change of unit");
    assert!(matches!(read(&at("3"), "3000.1"), Decision::Award(_)));
}

#[test]
fn a_doubted_unit_holds_whatever_comes_until_it_is_decided() {
    let doubted = |from: &str, to: &str| {
        let position = at(from);
        position.after(&read(&position, to)).unit_in_doubt
    };
    assert!(doubted("3", "3000"));
    assert!(doubted("3", "300000.5"), "a change of unit with a payout on top");
    assert!(!doubted("3", "3000.1"), "what is awarded is believed");
    assert!(!doubted("101", "100999.99999999") && !doubted("200", "150000"), "too much at once, and no thousandfold");

    let position = at("3").after(&read(&at("3"), "3000"));
    let rise = read(&position, "3000.5");
    assert!(matches!(&rise, Decision::Hold(credit, HoldReason::UnitInDoubt) if credit.advc == amount("0.5")));
    assert_eq!(read(&position, "3000"), Decision::Unchanged);
    assert!(position.after(&rise).unit_in_doubt);
    assert!(matches!(read(&Position { unit_in_doubt: false, ..position }, "3000.5"), Decision::Award(_)));
}

#[test]
fn a_pool_that_was_restarting_is_held_for_three_readings() {
    let opened = open(advc(), &counter("0"), &policy(), true);
    let first = opened.after(&read(&opened, "0"));
    let rise = read(&first, "500");
    assert!(matches!(rise, Decision::Hold(_, HoldReason::PoolRestart)), "second reading");
    let second = first.after(&read(&first, "0"));
    assert!(matches!(read(&second, "500"), Decision::Hold(_, HoldReason::PoolRestart)), "third reading");
    let third = second.after(&read(&second, "0"));
    assert!(matches!(read(&third, "500"), Decision::Award(_)), "fourth reading");
    let began_above_zero = open(advc(), &counter("1"), &policy(), true);
    assert!(matches!(read(&began_above_zero, "500"), Decision::Award(_)));
}

#[test]
fn a_refused_answer_does_not_settle_a_new_position() {
    let opened = open(advc(), &counter("0"), &policy(), true);
    let opened = opened.after(&read(&opened, "0"));
    let refused = decide(&opened, &"BTC".parse().unwrap(), &counter("0"), Some(Rate::ONE), &policy());
    assert_eq!(opened.after(&refused), opened);
}

#[test]
fn another_currency_or_field_credits_nothing() {
    let other_field = Counter { source: "/total".into(), paid: amount("99") };
    assert_eq!(
        decide(&at("10"), &advc(), &other_field, Some(Rate::ONE), &policy()),
        Decision::Refuse(AnomalyKind::SourceChanged)
    );
    assert_eq!(
        decide(&at("10"), &"LTC".parse().unwrap(), &counter("99"), Some(Rate::ONE), &policy()),
        Decision::Refuse(AnomalyKind::SourceChanged)
    );
}

#[test]
fn a_currency_without_a_rate_moves_nothing() {
    let decision = decide(&at("10"), &advc(), &counter("99"), None, &policy());
    assert_eq!(decision, Decision::Refuse(AnomalyKind::NoRate));
    assert_eq!(at("10").after(&decision), at("10"));
}

#[test]
fn bitcoin_is_converted_after_the_difference() {
    let position = Position { currency: "BTC".parse().unwrap(), high_water: amount("0.0005"), ..at("0") };
    let decision = decide(&position, &"BTC".parse().unwrap(), &counter("0.0006"), Some("1000000".parse().unwrap()), &policy());
    assert_eq!(awarded(&decision), ("100".into(), "10000".into()));
    let Decision::Award(credit) = decision else { unreachable!() };
    assert_eq!((credit.previous_advc, credit.current_advc), (amount("500"), amount("600")));
}

#[test]
fn a_rate_edited_between_two_readings_pays_nothing() {
    let position = Position { currency: "BTC".parse().unwrap(), high_water: amount("0.0005"), ..at("0") };
    for rate in ["1", "1000000", "2000000", "0.5"] {
        let decision = decide(&position, &"BTC".parse().unwrap(), &counter("0.0005"), Some(rate.parse().unwrap()), &policy());
        assert_eq!(decision, Decision::Unchanged, "{rate}");
    }
}

#[test]
fn what_cannot_be_represented_is_an_anomaly() {
    let decision = decide(&at("1"), &advc(), &counter("1e15"), Some("1000000".parse().unwrap()), &policy());
    assert_eq!(decision, Decision::Refuse(AnomalyKind::AmountOverflow));
}

/// A position at `mark` that the replaced service read from `/paid` or `/totalPaid`.
fn taken_over(mark: &str) -> Position {
    Position::taken_over(advc(), amount(mark), &["/paid", "/totalPaid"])
}

fn field(source: &str, paid: &str) -> Counter {
    Counter { source: source.into(), paid: amount(paid) }
}

/// Lets a position see one answer.
fn see(position: &Position, counters: &[Counter]) -> (Decision, Position) {
    let counter = position.counter_in(counters).unwrap();
    let decision = decide(position, &advc(), counter, Some(Rate::ONE), &policy());
    let after = position.after_counter(&decision, counter);
    (decision, after)
}

#[test]
fn a_taken_over_position_awards_what_is_new_and_pins_the_field() {
    let (decision, after) = see(&taken_over("10.5"), &[field("/totalPaid", "12")]);
    assert_eq!(awarded(&decision), ("1.5".into(), "150".into()));
    assert_eq!((after.source.as_ref(), after.high_water, after.is_pinned()), ("/totalPaid", amount("12"), true));
    assert_eq!(see(&after, &[field("/paid", "900")]).0, Decision::Refuse(AnomalyKind::SourceChanged));
    let (decision, after) = see(&taken_over("10.5"), &[field("/paid", "10.5")]);
    assert_eq!((decision, after.source.as_ref()), (Decision::Unchanged, "/paid"));
}

#[test]
fn another_field_than_the_replaced_service_read_is_held_and_then_counted_from_there() {
    let (decision, after) = see(&taken_over("10.5"), &[field("/total", "11")]);
    assert!(matches!(&decision, Decision::Hold(credit, HoldReason::TakenOver) if credit.advc == amount("0.5")), "{decision:?}");
    assert_eq!(awarded(&see(&after, &[field("/total", "12")]).0), ("1".into(), "100".into()));
    let (decision, after) = see(&taken_over("10.5"), &[field("/total", "10.5")]);
    assert_eq!((decision, after.source.as_ref()), (Decision::Unchanged, "/total"), "the same figure is the same counter");
    let nothing_known = Position::taken_over(advc(), amount("10.5"), &[]);
    assert!(matches!(see(&nothing_known, &[field("/paid", "11")]).0, Decision::Hold(_, HoldReason::TakenOver)));
}

#[test]
fn a_counter_below_a_taken_over_mark_is_refused_and_pins_nothing() {
    let position = taken_over("10.5");
    let (decision, after) = see(&position, &[field("/paid", "10.49999999")]);
    assert_eq!((decision, &after), (Decision::Refuse(AnomalyKind::CounterFell), &position));
    assert_eq!(awarded(&see(&after, &[field("/totalPaid", "11")]).0), ("0.5".into(), "50".into()));
}

#[test]
fn of_several_fields_a_taken_over_position_takes_the_one_that_pays_least() {
    let picked = |counters: &[Counter]| taken_over("10.5").counter_in(counters).unwrap().source.clone();
    assert_eq!(*picked(&[field("/totalPaid", "400"), field("/paid", "12")]), *"/paid");
    assert_eq!(*picked(&[field("/paid", "3"), field("/totalPaid", "10.5")]), *"/totalPaid");
    assert_eq!(*picked(&[field("/total", "10.5"), field("/paid", "3")]), *"/paid", "an unexpected field goes last");
    assert_eq!(*picked(&[field("/a", "400"), field("/b", "11")]), *"/b");
    assert_eq!(
        at("10").counter_in(&[field("/a", "1"), field("/paid", "400")]).unwrap().source.as_ref(),
        "/paid",
        "a pinned one stays"
    );
}

#[test]
fn zeros_that_were_taken_over_pay_nothing_by_themselves() {
    assert!(matches!(see(&taken_over("0"), &[field("/paid", "900")]).0, Decision::Hold(_, HoldReason::PoolRestart)));
    assert!(matches!(see(&taken_over("0"), &[field("/paidtotal", "900")]).0, Decision::Hold(_, HoldReason::TakenOver)));
    let mut position = taken_over("0");
    for _ in 0..UNSETTLED_READINGS {
        position = see(&position, &[field("/paid", "0")]).1;
    }
    assert_eq!(awarded(&see(&position, &[field("/paid", "2")]).0), ("2".into(), "200".into()));
}

#[test]
fn a_taken_over_position_still_holds_what_is_doubtful_and_refuses_another_currency() {
    assert!(matches!(see(&taken_over("3"), &[field("/paid", "3000")]).0, Decision::Hold(_, HoldReason::UnitChange)));
    assert!(matches!(see(&taken_over("3"), &[field("/paid", "200000")]).0, Decision::Hold(_, HoldReason::AboveMaximum)));
    let decision = decide(&taken_over("3"), &"BTC".parse().unwrap(), &field("/paid", "4"), Some(Rate::ONE), &policy());
    assert_eq!(decision, Decision::Refuse(AnomalyKind::SourceChanged));
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Paid(i64),
    Zero,
    Partial(u8),
    OtherSource,
    NoRate,
    UnitChange,
    Repeat,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_i64..5_000_000_000).prop_map(Step::Paid),
        3 => (0_i64..30_000).prop_map(Step::Paid),
        1 => (9_000_000_000_000_i64..20_000_000_000_000).prop_map(Step::Paid),
        1 => Just(Step::Zero),
        1 => (0_u8..100).prop_map(Step::Partial),
        1 => Just(Step::OtherSource),
        1 => Just(Step::NoRate),
        1 => Just(Step::UnitChange),
        2 => Just(Step::Repeat),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Sum of awards = highest believed counter − baseline − what is still dust or held (SPEC.md section 2), whatever the
    /// pool answers in between.
    #[test]
    fn awards_add_up_to_the_highest_counter(start in prop_oneof![Just(0_i64), 0_i64..1_000_000_000], steps in prop::collection::vec(step(), 0..40)) {
        let policy = policy();
        let first = Counter { source: "/paid".into(), paid: Amount::from_units(start.into()).unwrap() };
        let mut position = open(advc(), &first, &policy, true);
        let (mut truth, mut highest) = (first.paid, first.paid);
        let (mut awarded, mut held) = (0_i128, 0_i128);
        for step in steps {
            let mut shown = Counter { source: "/paid".into(), paid: truth };
            let mut rate = Some(Rate::ONE);
            match step {
                Step::Paid(units) => {
                    truth = Amount::from_units(truth.units() + i128::from(units)).unwrap();
                    shown.paid = truth;
                }
                Step::Zero => shown.paid = Amount::ZERO,
                Step::Partial(percent) => shown.paid = Amount::from_units(truth.units() * i128::from(percent) / 100).unwrap(),
                Step::OtherSource => shown = Counter { source: "/total".into(), paid: Amount::from_units(truth.units() + 1_000_000_000).unwrap() },
                Step::NoRate => rate = None,
                Step::UnitChange => {
                    // The pool changes its unit for good, as rplant did.
                    if let Some(changed) = Amount::from_units(truth.units() * 1_000).filter(|changed| changed.units() < 10_i128.pow(22)) {
                        truth = changed;
                        shown.paid = changed;
                    }
                }
                Step::Repeat => {}
            }
            let believed = &*shown.source == "/paid" && rate.is_some();
            let decision = decide(&position, &advc(), &shown, rate, &policy);
            if believed {
                highest = highest.max(shown.paid);
            }
            match &decision {
                Decision::Award(credit) => {
                    prop_assert!(believed && credit.advc <= policy.max_payout_delta && credit.advc > policy.min_payout_delta);
                    awarded += credit.native.units();
                }
                Decision::Hold(credit, _) => held += credit.native.units(),
                Decision::Unchanged | Decision::Dust | Decision::Refuse(_) => {}
            }
            let after = position.after(&decision);
            prop_assert!(after.high_water >= position.high_water, "the mark never falls");
            let again = decide(&after, &advc(), &shown, rate, &policy);
            prop_assert!(!matches!(again, Decision::Award(_) | Decision::Hold(..)), "the same answer twice found {again:?}");
            position = after;
        }
        let dust = highest.units() - position.high_water.units();
        prop_assert!((0..=policy.min_payout_delta.units()).contains(&dust), "dust {dust}");
        prop_assert_eq!(awarded, highest.units() - first.paid.units() - dust - held);
        prop_assert_eq!(awarded + held, position.high_water.units() - position.baseline.units());
    }
}
