//! Where the positions of taken-over players begin.

use std::collections::BTreeMap;

use rust_decimal::RoundingStrategy;

use super::figure;
use crate::domain::{Amount, Currency, PoolName, Rate, Wallet};

/// A position to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) player_id: i32,
    pub(super) pool: PoolName,
    /// The address that the replaced service asked with.
    pub(super) wallet: Wallet,
    pub(super) currency: Currency,
    /// The highest counter ever recorded, in `currency`.
    pub(super) high_water: Amount,
    /// The fields it may have been read from.
    pub(super) sources: &'static [&'static str],
}

/// How the replaced service recorded a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    /// The currency of the pool's own counter.
    pub(super) currency: Currency,
    /// What that counter was multiplied by.
    pub(super) rate: Option<Rate>,
    /// The fields that the counter was read from.
    pub(super) sources: &'static [&'static str],
}

/// The pool whose figures were converted.
const CONVERTED: (&str, &str) = ("zpool", "BTC");

/// How the replaced service recorded `pool`, or what is missing to know it. A pool that somebody has added to that service
/// was to give ADVC, and nobody knows in which field.
pub(super) fn recorded(pool: &PoolName, rates: &BTreeMap<Currency, Rate>) -> Result<Recorded, String> {
    let currency = |ticker: &str| ticker.parse::<Currency>().map_err(|error| error.to_string());
    let sources: &[&str] = match pool.as_str() {
        "cpu-pool" | "zpool" => &["/paid"],
        "rplant" => &["/stats/paid", "/paid", "/totalPaid"],
        _ => &[],
    };
    if pool.as_str() != CONVERTED.0 {
        return Ok(Recorded { currency: currency(Currency::ADVC)?, rate: None, sources });
    }
    let currency = currency(CONVERTED.1)?;
    let rate = rates.get(&currency).copied();
    let rate = rate.ok_or_else(|| format!("{currency}_TO_ADVC_RATE must be the rate that the replaced service ran with"))?;
    Ok(Recorded { currency, rate: Some(rate), sources })
}

impl Recorded {
    /// The counter that a recorded figure stands for, in the pool's own currency.
    ///
    /// A figure that was not converted is read exactly as the money rule reads an answer, so the same answer is the same
    /// counter. A converted one is divided by the rate; fifteen digits of it are a float's own, the rest is noise, and what
    /// is left beyond the eighth place is rounded up, so that nothing of the past is paid.
    pub(super) fn counter(&self, text: &str) -> Option<Amount> {
        let Some(rate) = self.rate else { return Amount::parse_counter(text, 0).ok() };
        let native = figure::number(text)?.checked_div(rate.to_decimal())?;
        let known = native.round_sf_with_strategy(15, RoundingStrategy::MidpointNearestEven)?;
        Amount::from_decimal(known.round_dp_with_strategy(crate::domain::amount::PLACES, RoundingStrategy::AwayFromZero))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(rate: &str) -> BTreeMap<Currency, Rate> {
        BTreeMap::from([("BTC".parse().unwrap(), rate.parse().unwrap())])
    }

    fn counter(pool: &str, rate: &str, text: &str) -> Option<String> {
        recorded(&pool.parse().unwrap(), &rates(rate)).unwrap().counter(text).map(|amount| amount.to_string())
    }

    #[test]
    fn what_was_not_converted_is_read_like_an_answer() {
        for (text, mark) in [("10.5", "10.5"), ("0.30000000000000004", "0.3"), ("1e-07", "0.0000001"), ("1234567.1", "1234567.1")]
        {
            assert_eq!(counter("cpu-pool", "1000000", text).as_deref(), Some(mark));
        }
        for none in ["NaN", "Infinity", "-1", "1000000000000001"] {
            assert_eq!(counter("rplant", "1000000", none), None, "{none}");
        }
    }

    #[test]
    fn what_was_converted_is_the_bitcoin_again() {
        for (rate, recorded, bitcoin) in [
            ("1000000", "500", "0.0005"),
            // 0.00056 × 1000000 and its neighbours, as floats have it.
            ("1000000", "559.9999999999999", "0.00056"),
            ("1000000", "560.0000000000001", "0.00056"),
            ("333333.33", "18666.66648", "0.056"),
            // What is no noise is rounded up.
            ("3", "1", "0.33333334"),
            ("1000000", "0.001", "0.00000001"),
            ("1000000", "0", "0"),
        ] {
            assert_eq!(counter("zpool", rate, recorded).as_deref(), Some(bitcoin), "{recorded} / {rate}");
        }
    }

    #[test]
    fn every_counter_of_zpool_survives_the_float_it_was_converted_to() {
        for units in (1_u64..2_000_000_000).step_by(7_919_333) {
            let bitcoin = Amount::from_units(units.into()).unwrap();
            for rate in ["1000000", "987654.321", "7"] {
                // What the replaced service did.
                #[allow(clippy::float_arithmetic)]
                let float = bitcoin.to_string().parse::<f64>().unwrap() * rate.parse::<f64>().unwrap();
                assert_eq!(counter("zpool", rate, &float.to_string()), Some(bitcoin.to_string()), "× {rate}");
            }
        }
    }

    #[test]
    fn without_a_rate_nothing_is_guessed() {
        assert!(recorded(&"zpool".parse().unwrap(), &BTreeMap::new()).is_err());
    }
}
