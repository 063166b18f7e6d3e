//! Sums that a pool paid within a span of time. They fall without any event, so none of them may ever be the counter.

use super::pointer::Pointer;

/// What in a name says that the figure is about a span of time, wherever it stands.
const SPANS: [&str; 12] = [
    "24h",
    "24hour",
    "today",
    "yesterday",
    "daily",
    "hourly",
    "weekly",
    "monthly",
    "lasthour",
    "lastday",
    "lastweek",
    "lastmonth",
];
/// The same, where it ends a name or begins it.
const SHORT_SPANS: [&str; 6] = ["1h", "12h", "48h", "1d", "7d", "30d"];

/// The member on the way of `pointer` that is named like a window, if any.
pub(super) fn named_in(pointer: &Pointer) -> Option<&str> {
    pointer.tokens().iter().map(String::as_str).find(|token| is_window(token))
}

/// Whether a member's name is that of a window: `paid24h`, `24h_paid`, `todayPaid`.
fn is_window(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    // An address or a hash may hold anything.
    plain.len() <= 24
        && (SPANS.iter().any(|span| plain.contains(span))
            || SHORT_SPANS.iter().any(|span| {
                let rest = plain.strip_prefix(span).or_else(|| plain.strip_suffix(span));
                rest.is_some_and(|rest| !rest.contains(|c: char| c.is_ascii_digit()))
            }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_known_by_its_name() {
        let named = |pointer: &str| named_in(&Pointer::try_from(pointer.to_owned()).unwrap()).map(str::to_owned);
        for window in
            ["paid24h", "paid_24h", "24h_paid", "24hPaid", "todayPaid", "paidToday", "last24hPaid", "paid7d", "7d", "weeklyPaid"]
        {
            assert_eq!(named(&format!("/stats/{window}")).as_deref(), Some(window));
        }
        assert_eq!(named("/24h/paid").as_deref(), Some("24h"));
        let counters =
            ["/paid", "/total", "/totalPaid", "/paidtotal", "/amtPaid", "/e_sum", "/paidBalance", "/Debit_AP", "/paid2"];
        for counter in counters {
            assert_eq!(named(counter), None, "{counter}");
        }
    }
}
