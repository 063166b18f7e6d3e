//! The values of many rows, as each engine takes them: one array a column for PostgreSQL, one value after the other for SQLite.

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::NaiveDateTime;
use rust_decimal::Decimal;
use sea_orm::{DbBackend, Value};

use crate::domain::Amount;
use crate::domain::amount::PLACES;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Whole(i64),
    Flag(bool),
    Text(Cow<'a, str>),
    Time(NaiveDateTime),
    Amount(Amount),
    Number(Decimal),
}

impl From<i32> for Cell<'_> {
    fn from(whole: i32) -> Self {
        Self::Whole(whole.into())
    }
}

impl From<i64> for Cell<'_> {
    fn from(whole: i64) -> Self {
        Self::Whole(whole)
    }
}

impl From<bool> for Cell<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<Cow<'a, str>> for Cell<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<NaiveDateTime> for Cell<'_> {
    fn from(time: NaiveDateTime) -> Self {
        Self::Time(time)
    }
}

impl From<Amount> for Cell<'_> {
    fn from(amount: Amount) -> Self {
        Self::Amount(amount)
    }
}

impl From<Decimal> for Cell<'_> {
    fn from(number: Decimal) -> Self {
        Self::Number(number)
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The cells of all rows.
pub(super) enum Columns {
    /// An array of each column in PostgreSQL's own notation, open at its end.
    Postgres { arrays: Vec<String>, rows: usize },
    /// Row after row. Most times of a batch are the same, and writing one is not cheap.
    Sqlite { values: Vec<Value>, time: Option<(NaiveDateTime, String)> },
}

impl Columns {
    pub(super) fn new(backend: DbBackend, columns: usize, capacity: usize) -> Self {
        match backend {
            DbBackend::Postgres => {
                // A cell is rarely shorter than this; what is longer lets the array grow.
                let array = || {
                    let mut array = String::with_capacity(1 + 8 * capacity);
                    array.push('{');
                    array
                };
                Self::Postgres { arrays: std::iter::repeat_with(array).take(columns).collect(), rows: 0 }
            }
            _ => Self::Sqlite { values: Vec::with_capacity(columns * capacity), time: None },
        }
    }

    /// Adds the next row's cell of a column; the columns in their order.
    pub(super) fn add(&mut self, column: usize, cell: Cell<'_>) {
        match self {
            Self::Postgres { arrays, rows } => {
                *rows += usize::from(column == 0);
                let Some(array) = arrays.get_mut(column) else { return };
                if array.len() > 1 {
                    array.push(',');
                }
                add_to_array(array, &cell);
            }
            Self::Sqlite { values, time } => values.push(match cell {
                Cell::Null => Value::String(None),
                Cell::Whole(whole) => whole.into(),
                Cell::Flag(flag) => flag.into(),
                Cell::Text(text) => text.into_owned().into(),
                Cell::Time(at) => match time {
                    Some((known, text)) if *known == at => text.clone().into(),
                    _ => {
                        // As the driver writes one.
                        let text = at.format("%F %T%.f").to_string();
                        *time = Some((at, text.clone()));
                        text.into()
                    }
                },
                Cell::Amount(amount) => {
                    let mut text = String::with_capacity(24);
                    write_amount(&mut text, amount);
                    text.into()
                }
                Cell::Number(number) => number.to_string().into(),
            }),
        }
    }
}

fn add_to_array(array: &mut String, cell: &Cell<'_>) {
    // Writing to a string cannot fail.
    let _ = match cell {
        Cell::Null => array.write_str("NULL"),
        Cell::Whole(whole) => write!(array, "{whole}"),
        Cell::Flag(flag) => array.write_str(if *flag { "t" } else { "f" }),
        Cell::Text(text) => {
            quote(array, text);
            Ok(())
        }
        Cell::Time(at) => write!(array, "\"{at}\""),
        Cell::Amount(amount) => {
            write_amount(array, *amount);
            Ok(())
        }
        Cell::Number(number) => write!(array, "{number}"),
    };
}

/// Writes a text as an element of an array: between quotes everything but these two is what it is, also the word NULL.
fn quote(array: &mut String, text: &str) {
    array.reserve(text.len() + 2);
    array.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\\']) {
        array.push_str(&rest[..at]);
        array.push('\\');
        array.push_str(&rest[at..=at]);
        rest = &rest[at + 1..];
    }
    array.push_str(rest);
    array.push('"');
}

/// Writes an amount with all its places, which is how every text of one is stored.
fn write_amount(text: &mut String, amount: Amount) {
    const UNITS_PER_COIN: u64 = 10_u64.pow(PLACES);
    // What is larger than the coins of this world goes the long way.
    let Ok(units) = u64::try_from(amount.units().unsigned_abs()) else {
        let _ = write!(text, "{}", amount.to_decimal());
        return;
    };
    if amount.units() < 0 {
        text.push('-');
    }
    let _ = write!(text, "{}.{:08}", units / UNITS_PER_COIN, units % UNITS_PER_COIN);
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
