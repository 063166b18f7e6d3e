//! Awards that wait to be told, in the order in which a ledger would have numbered them, for a test and a bench.

/// Statements that add `players` players and give them `count` awards in turn. `numbers` is a table `s(n)` of 1 to its argument in
/// the engine's words.
pub(crate) fn statements(numbers: impl Fn(usize) -> String, players: usize, count: usize) -> [String; 2] {
    let padded = "substr('000000000000' || n, length('000000000000' || n) - 11)";
    [
        format!(
            "INSERT INTO players (id, username, email, wallet_address) SELECT n, 'p' || n, 'm' || n, 'w' || n FROM {}",
            numbers(players)
        ),
        format!(
            "INSERT INTO mining_events (player_id, pool_name, advc_amount, ap_awarded, previous_paid, current_paid, processed, event_id, \
             player_sequence, total_ap_after, total_advc_after) SELECT (n - 1) % {players} + 1, 'rplant', '1.5', '150', '0', '1.5', TRUE, \
             '00000000-0000-5000-8000-' || {padded}, (n - 1) / {players} + 1, '150', '1.5' FROM {}",
            numbers(count)
        ),
    ]
}

/// `s(n)` on PostgreSQL.
pub(crate) fn numbers_postgres(count: usize) -> String {
    format!("generate_series(1, {count}) AS s(n)")
}

/// `s(n)` on SQLite.
pub(crate) fn numbers_sqlite(count: usize) -> String {
    format!("(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s)")
}
