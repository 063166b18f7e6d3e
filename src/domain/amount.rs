//! Exact money: amounts of a coin, Adventure Points and conversion rates.
//!
//! An [`Amount`] is an integer number of the coin's smallest unit (10⁻⁸), so sums and comparisons cannot round. The only
//! places that round are the two that SPEC.md section 2 names: reading a pool's literal (toward zero) and converting by
//! a rate (half to even).

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;

/// Decimal places of every amount: the coin's own smallest unit is 10⁻⁸.
pub const PLACES: u32 = 8;
/// Units (10⁻⁸) in one coin.
const UNITS_PER_COIN: i128 = 100_000_000;
/// The largest counter that is believed: 10¹⁵ coins. More than any coin's supply is a fault of the pool.
const COUNTER_MAX_UNITS: i128 = 1_000_000_000_000_000 * UNITS_PER_COIN;
/// So many digits fit 64 bits.
const SHORT_DIGITS: usize = 18;
/// The largest magnitude an amount may have: what a 96-bit `Decimal` holds at eight places.
const MAGNITUDE_MAX_UNITS: i128 = (1 << 96) - 1;

/// An exact amount of a coin in units of 10⁻⁸; signed, because a correcting event takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The text is not a decimal number (`NaN`, `Infinity`, units and separators included).
    #[error("not a number")]
    NotANumber,
    /// The number is below zero.
    #[error("negative")]
    Negative,
    /// The number is above 10¹⁵ coins.
    #[error("above 10^15")]
    TooLarge,
}

/// A result that no `Decimal` at eight places can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount is too large to be represented exactly")]
pub struct Overflow;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of `units` × 10⁻⁸, or `None` beyond what the database can hold.
    #[must_use]
    pub fn from_units(units: i128) -> Option<Self> {
        (units.abs() <= MAGNITUDE_MAX_UNITS).then_some(Self(units))
    }

    /// The number of units of 10⁻⁸.
    #[must_use]
    pub fn units(self) -> i128 {
        self.0
    }

    /// The same number as a `Decimal` with eight places.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        // Every constructor keeps the magnitude within 96 bits, which is what the fallible form checks.
        Decimal::try_from_i128_with_scale(self.0, PLACES).unwrap_or_default()
    }

    /// The amount that equals `value`, or `None` when `value` has more than eight significant places or is too large.
    #[must_use]
    pub fn from_decimal(value: Decimal) -> Option<Self> {
        let value = value.normalize();
        let missing = PLACES.checked_sub(value.scale())?;
        Self::from_units(value.mantissa().checked_mul(10_i128.checked_pow(missing)?)?)
    }

    /// Reads a pool's number from its literal text: `10.5`, `5e-7`, `1.6E-6`, `"10"` without its quotes.
    ///
    /// The value is divided by 10^`decimals` (pools that count in a coin's base units) and truncated toward zero at
    /// eight places, so that what a pool did not pay is never credited.
    ///
    /// # Errors
    /// When the text is no decimal number, is negative or is above 10¹⁵ after the division.
    pub fn parse_counter(text: &str, decimals: u32) -> Result<Self, AmountError> {
        let literal = Literal::parse(text).ok_or(AmountError::NotANumber)?;
        let (units, exact) = literal.scaled(i64::from(PLACES) - i64::from(decimals)).ok_or(AmountError::TooLarge)?;
        if literal.negative && (units != 0 || !exact) {
            return Err(AmountError::Negative);
        }
        if units > COUNTER_MAX_UNITS || (units == COUNTER_MAX_UNITS && !exact) {
            return Err(AmountError::TooLarge);
        }
        Ok(Self(units))
    }

    /// The sum, or `None` when it is too large.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::from_units)
    }

    /// The difference, or `None` when it is too large.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).and_then(Self::from_units)
    }

    /// The same amount taken away instead of given.
    #[must_use]
    pub fn negated(self) -> Self {
        // The range is symmetric.
        Self(-self.0)
    }

    /// The amount in another currency: `self × rate`, rounded half to even at eight places.
    ///
    /// # Errors
    /// When the result cannot be represented.
    pub fn convert(self, rate: Rate) -> Result<Self, Overflow> {
        let product = self.0.checked_mul(rate.mantissa).ok_or(Overflow)?;
        let divisor = 10_i128.checked_pow(rate.scale).ok_or(Overflow)?;
        Self::from_units(divide_half_even(product, divisor)).ok_or(Overflow)
    }

    /// The power `k ≥ 1` for which `self = other × 10^k` exactly, if there is one. `None` when `other` is zero.
    #[must_use]
    pub fn power_of_ten_over(self, other: Self) -> Option<u32> {
        if other.0 <= 0 || self.0 <= other.0 {
            return None;
        }
        let mut multiple = other.0;
        for power in 1..40 {
            multiple = multiple.checked_mul(10)?;
            if multiple >= self.0 {
                return (multiple == self.0).then_some(power);
            }
        }
        None
    }
}

/// Integer division that rounds to the nearest, ties to the even neighbour. `divisor` is positive.
fn divide_half_even(value: i128, divisor: i128) -> i128 {
    let quotient = value.div_euclid(divisor);
    let remainder = value.rem_euclid(divisor);
    // Compared with the other half instead of doubled, which could overflow.
    let up = match remainder.cmp(&(divisor - remainder)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => quotient % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    quotient + i128::from(up)
}

/// Shows the shortest exact form: `1.5`, `0.0001`, `-3`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_decimal().normalize(), f)
    }
}

/// Reads a setting or a stored value: any decimal that eight places hold exactly, signed.
impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let literal = Literal::parse(text).ok_or(AmountError::NotANumber)?;
        match literal.scaled(i64::from(PLACES)) {
            Some((units, true)) => Self::from_units(if literal.negative { -units } else { units }).ok_or(AmountError::TooLarge),
            Some((_, false)) => Err(AmountError::NotANumber),
            None => Err(AmountError::TooLarge),
        }
    }
}

/// Adventure Points: exact, eight places, what a player is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Points(Amount);

impl Points {
    /// No points.
    pub const ZERO: Self = Self(Amount::ZERO);

    /// Wraps a number of points.
    #[must_use]
    pub fn new(value: Amount) -> Self {
        Self(value)
    }

    /// The number of points.
    #[must_use]
    pub fn get(self) -> Amount {
        self.0
    }

    /// The sum, or `None` when it is too large.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A positive conversion factor: ADVC per unit of a currency, or AP per ADVC.
///
/// It has at most 15 significant digits and 18 places: a believed counter (at most 10²³ units) times a rate then always
/// fits 128 bits, so a conversion is one exact multiplication and one rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    mantissa: i128,
    scale: u32,
}

/// Why a text is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Not a decimal number.
    #[error("not a number")]
    NotANumber,
    /// Zero or below.
    #[error("not above zero")]
    NotPositive,
    /// More digits than a conversion can keep exact.
    #[error("more than 15 significant digits or 18 places")]
    TooPrecise,
}

impl Rate {
    /// One to one: the pool pays in ADVC.
    pub const ONE: Self = Self { mantissa: 1, scale: 0 };

    /// The rate that equals `value`.
    ///
    /// # Errors
    /// When it is not positive or has too many digits.
    pub fn from_decimal(value: Decimal) -> Result<Self, RateError> {
        let value = value.normalize();
        if value.mantissa() <= 0 {
            return Err(RateError::NotPositive);
        }
        if value.mantissa() >= 1_000_000_000_000_000 || value.scale() > 18 {
            return Err(RateError::TooPrecise);
        }
        Ok(Self { mantissa: value.mantissa(), scale: value.scale() })
    }

    /// The same number as a `Decimal`.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        // The mantissa has at most 15 digits and the scale is at most 18, both within `Decimal`'s range.
        Decimal::try_from_i128_with_scale(self.mantissa, self.scale).unwrap_or_default()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_decimal(), f)
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let literal = Literal::parse(text).ok_or(RateError::NotANumber)?;
        if literal.negative {
            return Err(RateError::NotPositive);
        }
        match literal.scaled(18) {
            Some((mut mantissa, true)) => {
                // Zeros at the end go first: at 18 places only rates below 7.9 × 10¹⁰ would fit a `Decimal`.
                let mut scale = 18;
                while scale > 0 && mantissa % 10 == 0 {
                    mantissa /= 10;
                    scale -= 1;
                }
                let value = Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| RateError::TooPrecise)?;
                Self::from_decimal(value)
            }
            _ => Err(RateError::TooPrecise),
        }
    }
}

/// A decimal number taken apart without giving up a digit: `digits × 10^exponent`.
struct Literal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> Literal<'a> {
    /// `[+-] digits [. digits] [(e|E) [+-] digits]`, nothing else: no white space, no separators, no bare point.
    fn parse(text: &'a str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], parse_exponent(&unsigned[at + 1..])?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        (!whole.is_empty() && all_digits(whole) && all_digits(fraction)).then_some(Self { negative, whole, fraction, exponent })
    }

    /// The magnitude times 10^`shift`, truncated to an integer, and whether nothing was cut off. `None` above 10³⁶.
    fn scaled(&self, shift: i64) -> Option<(i128, bool)> {
        let digits = || self.whole.bytes().chain(self.fraction.bytes()).map(|byte| byte - b'0');
        // How many digits, counted from the left, stand before the decimal point of the result.
        let point = i64::try_from(self.whole.len()).ok()?.saturating_add(self.exponent).saturating_add(shift);
        if let (count @ 0..=SHORT_DIGITS, Ok(point @ 0..=SHORT_DIGITS)) =
            (self.whole.len() + self.fraction.len(), usize::try_from(point))
        {
            // Nearly every number that a pool writes: its digits fit a machine word, and nothing can overflow.
            let taken = point.min(count);
            let value = digits().take(taken).fold(0_u64, |value, digit| value * 10 + u64::from(digit));
            let zeros = 10_i128.pow(u32::try_from(point - taken).ok()?);
            return Some((i128::from(value) * zeros, digits().skip(taken).all(|digit| digit == 0)));
        }
        let mut value: i128 = 0;
        let mut exact = true;
        let mut taken: i64 = 0;
        for digit in digits() {
            if taken < point {
                value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
                if value > 10_i128.pow(36) {
                    return None;
                }
                taken += 1;
            } else if digit != 0 {
                exact = false;
            }
        }
        if value != 0 {
            while taken < point {
                value = value.checked_mul(10).filter(|value| *value <= 10_i128.pow(36))?;
                taken += 1;
            }
        }
        Some((value, exact))
    }
}

/// The exponent of a literal; beyond any use it saturates, which is either zero or too large in the end.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits
        .bytes()
        .fold(0_i64, |value, byte| value.saturating_mul(10).saturating_add(i64::from(byte - b'0')).min(1_000_000_000));
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counter(text: &str) -> Result<String, AmountError> {
        Amount::parse_counter(text, 0).map(|amount| amount.to_string())
    }

    #[test]
    fn literals_of_all_three_languages_are_read_exactly() {
        for (text, value) in [
            ("10.5", "10.5"),
            ("11", "11"),
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1e-8", "0.00000001"),
            ("5e-7", "0.0000005"),
            ("1.6319901806703E-6", "0.00000163"),
            ("1e-05", "0.00001"),
            ("10.500000000000002", "10.5"),
            ("24.915895704089802", "24.9158957"),
            ("0.00012300", "0.000123"),
            ("1E+3", "1000"),
            ("1e-999999999999999999999999", "0"),
            ("0e999999999999999999999999", "0"),
            ("1000000000000000", "1000000000000000"),
            ("0.0000000000001e20", "10000000"),
            ("0.099999999999", "0.09999999"),
        ] {
            assert_eq!(counter(text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_no_reading() {
        for text in [
            "",
            " ",
            "NaN",
            "nan",
            "Infinity",
            "-Infinity",
            "inf",
            "1,5",
            "0,00012300",
            "1 000",
            "10 ADVC",
            "1.",
            ".5",
            "0x10",
            "1e",
            "1e+",
            "--1",
            "+-1",
            "1.2.3",
            "1e5e5",
            "true",
            "null",
            " 1",
            "1 ",
            "\u{663}",
        ] {
            assert_eq!(counter(text), Err(AmountError::NotANumber), "{text:?}");
        }
    }

    #[test]
    fn negative_and_huge_numbers_are_no_reading() {
        for text in ["-1", "-0.00000001", "-1e-30"] {
            assert_eq!(counter(text), Err(AmountError::Negative), "{text}");
        }
        for text in ["1000000000000000.000000001", "1000000000000001", "1e16", "1e999999999", &"9".repeat(5_000)] {
            assert_eq!(counter(text), Err(AmountError::TooLarge), "{text}");
        }
    }

    #[test]
    fn base_units_are_divided_exactly() {
        assert_eq!(Amount::parse_counter("1234567890123", 12).map(|a| a.to_string()).as_deref(), Ok("1.23456789"));
        assert_eq!(Amount::parse_counter("9300000000000000001", 18).map(|a| a.to_string()).as_deref(), Ok("9.3"));
        assert_eq!(Amount::parse_counter("150", 2).map(|a| a.to_string()).as_deref(), Ok("1.5"));
    }

    #[test]
    fn conversion_rounds_half_to_even() {
        let half: Rate = "0.5".parse().unwrap();
        for (units, expected) in [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (2, 1)] {
            assert_eq!(Amount(units).convert(half), Ok(Amount(expected)), "{units} × 0.5");
        }
    }

    #[test]
    fn a_tenth_of_a_thousandth_of_a_bitcoin_is_a_hundred_advc() {
        let delta = "0.0001".parse::<Amount>().unwrap();
        assert_eq!(delta.convert("1000000".parse().unwrap()), Ok("100".parse().unwrap()));
    }

    #[test]
    fn an_unrepresentable_conversion_is_an_error_and_not_a_wrong_number() {
        let most = Amount::parse_counter("1e15", 0).unwrap();
        assert_eq!(most.convert("1000000".parse().unwrap()), Err(Overflow));
        assert!(most.convert("10000".parse().unwrap()).is_ok());
    }

    #[test]
    fn rates_are_positive_and_bounded() {
        assert_eq!("0".parse::<Rate>(), Err(RateError::NotPositive));
        assert_eq!("-1".parse::<Rate>(), Err(RateError::NotPositive));
        assert_eq!("x".parse::<Rate>(), Err(RateError::NotANumber));
        assert_eq!("1.0000000000000001".parse::<Rate>(), Err(RateError::TooPrecise));
        assert_eq!("1e40".parse::<Rate>(), Err(RateError::TooPrecise));
        assert_eq!("1000000".parse::<Rate>().map(|rate| rate.to_string()).as_deref(), Ok("1000000"));
        assert_eq!("0.5".parse::<Rate>().map(|rate| rate.to_string()).as_deref(), Ok("0.5"));
        for widest in ["999999999999999", "100000000000", "0.000000000000000001", "0.000999999999999999", "999999999999.999"] {
            assert_eq!(widest.parse::<Rate>().map(|rate| rate.to_string()).as_deref(), Ok(widest));
        }
    }

    #[test]
    fn exact_powers_of_ten_are_recognized() {
        let amount = |text: &str| text.parse::<Amount>().unwrap();
        assert_eq!(amount("3000").power_of_ten_over(amount("3")), Some(3));
        assert_eq!(amount("3e12").power_of_ten_over(amount("3")), Some(12));
        assert_eq!(amount("3001").power_of_ten_over(amount("3")), None);
        assert_eq!(amount("3").power_of_ten_over(amount("3")), None);
        assert_eq!(amount("3").power_of_ten_over(Amount::ZERO), None);
        assert_eq!(amount("0.003").power_of_ten_over(amount("3")), None);
    }

    proptest! {
        #[test]
        fn any_amount_survives_text_and_decimal(units in -MAGNITUDE_MAX_UNITS..=MAGNITUDE_MAX_UNITS) {
            let amount = Amount(units);
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
            prop_assert_eq!(Amount::from_decimal(amount.to_decimal()), Some(amount));
        }

        #[test]
        fn a_literal_equals_what_decimal_arithmetic_makes_of_it(whole in 0_u64..1_000_000_000, fraction in "[0-9]{1,8}", exponent in -6_i32..4) {
            let text = format!("{whole}.{fraction}e{exponent}");
            let mut expected = format!("{whole}.{fraction}").parse::<Decimal>().unwrap();
            for _ in 0..exponent.unsigned_abs() {
                expected = if exponent < 0 { expected / Decimal::TEN } else { expected * Decimal::TEN };
            }
            let expected = expected.trunc_with_scale(PLACES);
            prop_assert_eq!(Amount::parse_counter(&text, 0).map(|amount| amount.to_decimal().normalize()), Ok(expected.normalize()));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[-+0-9.eE ]{0,60}") {
            let _ = Amount::parse_counter(&text, 0);
            let _ = text.parse::<Rate>();
        }
    }
}
