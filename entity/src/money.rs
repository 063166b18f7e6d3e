//! The column type of every exact number.
//!
//! PostgreSQL keeps it as NUMERIC. SQLite has no exact decimal type and would turn the text of a number in a NUMERIC column
//! into a binary float, so there it is kept as TEXT and all arithmetic is done in the program.

use std::str::FromStr;

use rust_decimal::Decimal;
use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, Value, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbErr, QueryResult, TryGetError, TryGetable};

/// An exact decimal in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Money(pub Decimal);

impl From<Money> for Value {
    fn from(money: Money) -> Self {
        // SeaORM binds a decimal as NUMERIC on PostgreSQL and as its text on SQLite, which is what both columns hold.
        money.0.into()
    }
}

impl Nullable for Money {
    fn null() -> Value {
        Decimal::null()
    }
}

impl ValueType for Money {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <Decimal as ValueType>::try_from(value).map(Self)
    }

    fn type_name() -> String {
        "Money".to_owned()
    }

    fn array_type() -> ArrayType {
        Decimal::array_type()
    }

    fn column_type() -> ColumnType {
        Decimal::column_type()
    }
}

impl TryGetable for Money {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        if row.try_as_sqlite_row().is_none() {
            return Decimal::try_get_by(row, index).map(Self);
        }
        // A TEXT column gives back what was written, be it by this program or by the game's own SQL, in which SQLite's
        // arithmetic may have left an exponent.
        let text = String::try_get_by(row, index)?;
        Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).map(Self).map_err(|error| {
            TryGetError::DbErr(DbErr::Type(format!("{text:?} in column {index:?} is no decimal number: {error}")))
        })
    }
}
