use proptest::prelude::*;

use super::*;

fn array(cells: Vec<Cell<'_>>) -> String {
    let mut columns = Columns::new(DbBackend::Postgres, 1, cells.len());
    for cell in cells {
        columns.add(0, cell);
    }
    let Columns::Postgres { arrays, .. } = columns else { panic!("PostgreSQL takes arrays") };
    arrays.concat()
}

fn amount(units: i128) -> Amount {
    Amount::from_units(units).unwrap()
}

#[test]
fn an_array_tells_a_null_from_the_word_and_from_an_empty_text() {
    assert_eq!(array(vec![Cell::Null, "NULL".into(), "".into(), Cell::Null]), r#"{NULL,"NULL","",NULL"#);
}

#[test]
fn what_an_array_is_written_with_is_escaped_in_a_text() {
    assert_eq!(array(vec![r#"{a,"b\c"}"#.into(), "日本 🎮'".into()]), r#"{"{a,\"b\\c\"}","日本 🎮'""#);
}

#[test]
fn a_row_is_counted_once_however_many_columns_it_has() {
    let mut columns = Columns::new(DbBackend::Postgres, 2, 2);
    for row in 0..3 {
        columns.add(0, row.into());
        columns.add(1, Cell::Null);
    }
    assert!(matches!(columns, Columns::Postgres { rows: 3, .. }));
}

#[test]
fn a_time_is_written_as_the_driver_writes_it() {
    let times = ["2026-11-27 08:05:23.123456", "2026-11-27 08:05:23", "2026-11-27 08:05:23", "1999-01-02 00:00:00.5"];
    let mut columns = Columns::new(DbBackend::Sqlite, 1, times.len());
    for time in times {
        columns.add(0, NaiveDateTime::parse_from_str(time, "%F %T%.f").unwrap().into());
    }
    let Columns::Sqlite { values, .. } = columns else { panic!("SQLite takes values") };
    let written: Vec<Value> =
        ["2026-11-27 08:05:23.123456", "2026-11-27 08:05:23", "2026-11-27 08:05:23", "1999-01-02 00:00:00.500"]
            .map(Value::from)
            .into();
    assert_eq!(values, written);
}

#[test]
fn the_largest_amounts_are_written_to_the_last_place() {
    for (units, text) in [
        (0, "0.00000000"),
        (-1, "-0.00000001"),
        (100_000_000_000_000_000_000_000, "1000000000000000.00000000"),
        (i128::from(u64::MAX), "184467440737.09551615"),
        (i128::from(u64::MAX) + 1, "184467440737.09551616"),
        (-((1 << 96) - 1), "-792281625142643375935.43950335"),
    ] {
        assert_eq!(array(vec![amount(units).into()]), format!("{{{text}"));
    }
}

proptest! {
    #[test]
    fn an_amount_is_written_as_its_decimal_is(units in -(1_i128 << 96) + 1..1_i128 << 96, shift in 0_u32..96) {
        let amount = amount(units >> shift);
        prop_assert_eq!(array(vec![amount.into()]), format!("{{{}", amount.to_decimal()));
    }
}
