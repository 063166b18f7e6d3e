//! Amounts as the languages of real pools print them, exact to the last digit, and a small JSON object writer that keeps
//! that text and the order of the fields.

use crate::domain::Amount;

/// As JavaScript prints it: shortest, with an exponent below 10⁻⁶ (`10.5`, `11`, `5e-7`).
pub(super) fn js(amount: Amount) -> String {
    if (1..100).contains(&amount.units()) { exponent(amount, "", "e") } else { amount.to_string() }
}

/// As PHP echoes a float: shortest, with an exponent and at least one place below 10⁻⁴ (`0.5`, `1.0E-5`).
pub(super) fn php(amount: Amount) -> String {
    if (1..10_000).contains(&amount.units()) { exponent(amount, ".0", "E") } else { amount.to_string() }
}

/// As `%.8f` prints it: always eight places.
pub(super) fn fixed(amount: Amount) -> String {
    format!("{:.8}", amount.to_decimal())
}

/// A text as a JSON string.
pub(super) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn exponent(amount: Amount, whole_suffix: &str, mark: &str) -> String {
    let digits = amount.units().to_string();
    let exponent = 9_usize.saturating_sub(digits.len());
    let (whole, places) = digits.split_at(1);
    match places.trim_end_matches('0') {
        "" => format!("{whole}{whole_suffix}{mark}-{exponent}"),
        places => format!("{whole}.{places}{mark}-{exponent}"),
    }
}

/// A JSON object being written.
pub(super) struct Object(String);

impl Object {
    /// An object without fields.
    pub(super) fn new() -> Self {
        Self(String::from("{"))
    }

    /// Adds a field whose value is JSON text already.
    pub(super) fn with(mut self, name: &str, json: impl AsRef<str>) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&text(name));
        self.0.push(':');
        self.0.push_str(json.as_ref());
        self
    }

    /// The finished object.
    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A JSON array of values that are JSON text already.
pub(super) fn array(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_prints_its_own_way() {
        for (amount, expected) in [
            ("0", ["0", "0", "0.00000000"]),
            ("0.00000001", ["1e-8", "1.0E-8", "0.00000001"]),
            ("0.00000099", ["9.9e-7", "9.9E-7", "0.00000099"]),
            ("0.0000005", ["5e-7", "5.0E-7", "0.00000050"]),
            ("0.000001", ["0.000001", "1.0E-6", "0.00000100"]),
            ("0.00009999", ["0.00009999", "9.999E-5", "0.00009999"]),
            ("0.0001", ["0.0001", "0.0001", "0.00010000"]),
            ("10.50", ["10.5", "10.5", "10.50000000"]),
            ("11", ["11", "11", "11.00000000"]),
            ("1234567890123.12345678", ["1234567890123.12345678", "1234567890123.12345678", "1234567890123.12345678"]),
        ] {
            let amount: Amount = amount.parse().unwrap();
            assert_eq!([js(amount), php(amount), fixed(amount)], expected);
            for printed in expected {
                assert_eq!(Amount::parse_counter(printed, 0), Ok(amount), "{printed}");
            }
        }
    }

    #[test]
    fn objects_keep_order_and_escape_text() {
        assert_eq!(Object::new().end(), "{}");
        let object = Object::new().with("b", "1.0").with("a", text("x\"\n")).with("list", array([text("y"), js(Amount::ZERO)]));
        assert_eq!(object.end(), r#"{"b":1.0,"a":"x\"\n","list":["y",0]}"#);
    }
}
