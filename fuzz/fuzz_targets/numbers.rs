//! Numbers and names as pools and people write them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pool_poller_fuzz::domain::{Amount, Currency, PoolName, Rate, Wallet};
use pool_poller_fuzz::pools::pointer::Pointer;

fuzz_target!(|input: (u8, &str)| {
    let (decimals, text) = input;
    let decimals = u32::from(decimals) % 40;
    if let Ok(counter) = Amount::parse_counter(text, decimals) {
        let most: Amount = "1000000000000000".parse().expect("a number");
        assert!((Amount::ZERO..=most).contains(&counter), "{text}: {counter}");
        round_trip(counter);
        // One unit more of the divisor is a tenth, cut off.
        let tenth = Amount::parse_counter(text, decimals + 1).expect("a smaller number");
        assert_eq!(tenth.units(), counter.units() / 10, "{text}");
        // Only digits, a sign, a point and an exponent make a number.
        assert!(text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')), "{text:?}");
        assert!(text.bytes().any(|byte| byte.is_ascii_digit()), "{text:?}");
        check_against_float(text, decimals, counter);
    }
    if let Ok(amount) = text.parse::<Amount>() {
        round_trip(amount);
        if let Some(units) = amount.units().checked_neg() {
            assert_eq!(amount.negated().units(), units);
        }
    }
    if let Ok(rate) = text.parse::<Rate>() {
        assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate), "{text}");
        if let Ok(converted) = Amount::from_units(150_000_000).expect("small").convert(rate) {
            round_trip(converted);
        }
    }
    if let Ok(currency) = text.parse::<Currency>() {
        assert_eq!(currency.as_str().parse::<Currency>().as_ref(), Ok(&currency));
    }
    if let Ok(name) = text.parse::<PoolName>() {
        assert!(name.as_str() == text && name.env_prefix().len() == text.len());
    }
    if let Ok(wallet) = text.parse::<Wallet>() {
        assert!(wallet.as_str() == text && !text.contains(char::is_control));
    }
    if let Ok(pointer) = Pointer::try_from(text.to_owned()) {
        assert_eq!(pointer.as_str(), text);
    }
});

fn round_trip(amount: Amount) {
    assert_eq!(amount.to_string().parse::<Amount>().as_ref(), Ok(&amount));
    assert_eq!(Amount::from_decimal(amount.to_decimal()), Some(amount));
    assert_eq!(Amount::from_units(amount.units()), Some(amount));
}

/// The exact reading is what a float would say too, as far as a float goes.
fn check_against_float(text: &str, decimals: u32, counter: Amount) {
    let Ok(float) = text.parse::<f64>() else { return };
    let float = float / 10_f64.powi(i32::try_from(decimals).expect("small"));
    let exact = counter.units() as f64 / 1e8;
    assert!((float - exact).abs() <= 1e-8 + float.abs() * 1e-12, "{text}: {float} {exact}");
}
