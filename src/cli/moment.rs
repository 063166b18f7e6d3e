//! A moment as a person types it.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// Reads a date, a date and a time (UTC), or both with an offset as in RFC 3339. Answers UTC.
pub(super) fn moment(text: &str) -> Result<NaiveDateTime, String> {
    let with_offset = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%:z"));
    if let Ok(moment) = with_offset {
        return Ok(moment.naive_utc());
    }
    let text = text.trim_end_matches('Z').replace(' ', "T");
    let with_time =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"].iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    with_time
        .or_else(|| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        .ok_or_else(|| "expected a time as in 2026-11-22, 2026-11-22T10:00 (UTC) or 2026-11-22T10:00:00+01:00".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_forms_are_read_as_utc() {
        for (text, expected) in [
            ("2026-11-22", "2026-11-22 00:00:00"),
            ("2026-11-22T10:05", "2026-11-22 10:05:00"),
            ("2026-11-22 10:05", "2026-11-22 10:05:00"),
            ("2026-11-22 10:05:07.5", "2026-11-22 10:05:07.500"),
            ("2026-11-22T10:05Z", "2026-11-22 10:05:00"),
            ("2026-11-22T10:05:07Z", "2026-11-22 10:05:07"),
            ("2026-11-22T10:05:07+01:00", "2026-11-22 09:05:07"),
            ("2026-11-22T10:05+01:00", "2026-11-22 09:05:00"),
        ] {
            assert_eq!(moment(text).map(|moment| moment.to_string()).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "yesterday", "10:05", "2026-13-01", "2026-11-22T25:00", "1760000000"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
