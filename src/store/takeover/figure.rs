//! Figures that the replaced service kept as binary floats, read as exact decimal texts.
//!
//! A float is never calculated with: PostgreSQL and, for SQLite, Rust give the shortest decimal that names it, which is what
//! the service had been given, and all arithmetic is on that decimal.

use std::str::FromStr as _;

use rust_decimal::Decimal;
use sea_orm::sqlx::{Row as _, TypeInfo as _, ValueRef as _};
use sea_orm::{DbBackend, DbErr, QueryResult, RuntimeErr};

/// From here on a figure is not kept: no amount of this program can be as large.
pub(super) const LIMIT_SQL: &str = "1e20";
/// The largest counter that is believed, as in the money rule.
pub(super) const COUNTER_MAX_SQL: &str = "1e15";

/// The expression to select a figure by.
pub(super) fn selected(backend: DbBackend, column: &str) -> String {
    if backend == DbBackend::Postgres { format!("({column})::text") } else { column.to_owned() }
}

/// The condition that a figure is a number below [`LIMIT_SQL`], or null.
pub(super) fn is_kept(backend: DbBackend, column: &str) -> String {
    // PostgreSQL takes NaN for greater than every number.
    if backend == DbBackend::Postgres {
        format!("({column} IS NULL OR abs({column}) < {LIMIT_SQL})")
    } else {
        // A column of floats holds any text that is no number.
        format!("({column} IS NULL OR (typeof({column}) IN ('real', 'integer') AND abs({column}) < {LIMIT_SQL}))")
    }
}

/// The condition that a figure can be a pool's counter.
pub(super) fn is_counter(backend: DbBackend, column: &str) -> String {
    let number = if backend == DbBackend::Postgres { "" } else { &format!("typeof({column}) IN ('real', 'integer') AND ") };
    format!("({number}{column} >= 0 AND {column} <= {COUNTER_MAX_SQL})")
}

/// The text of a figure that was selected by [`selected`]: a decimal, `NaN`, `Infinity`, or whatever else is there.
pub(super) fn read(row: &QueryResult, index: usize) -> Result<Option<String>, DbErr> {
    let Some(sqlite) = row.try_as_sqlite_row() else { return row.try_get_by_index(index) };
    let malformed = |error| DbErr::Query(RuntimeErr::SqlxError(std::sync::Arc::new(error)));
    let value = sqlite.try_get_raw(index).map_err(malformed)?;
    if value.is_null() {
        return Ok(None);
    }
    let text = match value.type_info().name() {
        "REAL" => shortest(sqlite.try_get_unchecked(index).map_err(malformed)?),
        "INTEGER" => sqlite.try_get_unchecked::<i64, _>(index).map_err(malformed)?.to_string(),
        "TEXT" => sqlite.try_get_unchecked(index).map_err(malformed)?,
        other => format!("a {other}"),
    };
    Ok(Some(text))
}

/// The shortest decimal that names this float and no other.
fn shortest(float: f64) -> String {
    if float.is_nan() {
        "NaN".to_owned()
    } else if float.is_infinite() {
        if float.is_sign_negative() { "-Infinity" } else { "Infinity" }.to_owned()
    } else if float == 0.0 {
        "0".to_owned()
    } else {
        // `Display` writes the shortest digits that read back as the same float, without an exponent.
        float.to_string()
    }
}

/// The number that a text is, if it can be kept.
pub(super) fn number(text: &str) -> Option<Decimal> {
    let value = match Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)) {
        Ok(value) => value,
        // More places than a `Decimal` has: nothing that counts.
        Err(_) if is_tiny(text) => Decimal::ZERO,
        Err(_) => return None,
    };
    let limit = Decimal::from(10_u64.pow(10)) * Decimal::from(10_u64.pow(10));
    (value.abs() < limit).then_some(value)
}

/// Whether a text is a number with a negative exponent.
fn is_tiny(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once("e-").is_some_and(|(mantissa, exponent)| Decimal::from_str(mantissa).is_ok() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_becomes_the_decimal_it_was_made_from() {
        for (float, text) in [
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-7, "0.0000001"),
            (1_234_567.1, "1234567.1"),
            (-0.0, "0"),
            (1e21, "1000000000000000000000"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(shortest(float), text);
        }
    }

    #[test]
    fn both_engines_texts_are_read_and_what_is_no_number_is_not() {
        let shown = |text: &str| number(text).map(|number| number.normalize().to_string());
        assert_eq!(shown("1e-07").as_deref(), Some("0.0000001"));
        assert_eq!(shown("1.5e+15").as_deref(), Some("1500000000000000"));
        assert_eq!(shown("0.30000000000000004").as_deref(), Some("0.30000000000000004"));
        assert_eq!(shown("99999999999999980000").as_deref(), Some("99999999999999980000"));
        assert_eq!(shown("4.9e-324").as_deref(), Some("0"));
        assert_eq!(number(&shortest(f64::MIN_POSITIVE)).map(|tiny| tiny.is_zero()), Some(true));
        for none in ["1e20", "1e+300", "NaN", "Infinity", "-Infinity", "abc", "", &shortest(1e300)] {
            assert_eq!(shown(none), None, "{none}");
        }
    }
}
