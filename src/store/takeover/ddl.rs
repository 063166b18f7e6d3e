//! Changes the text of a SQLite table: another name, other types, further defaults. Everything else in it stays as it is,
//! comments included.

use std::ops::Range;

/// `sql`, a whole `CREATE TABLE`, for a table `name` whose columns `texts` are of type TEXT and whose columns `defaults` have
/// these defaults. `None` when it cannot be understood.
pub(super) fn rewrite(sql: &str, name: &str, texts: &[&str], defaults: &[(&str, &str)]) -> Option<String> {
    let tokens = tokens(sql)?;
    let word = |index: usize| tokens.get(index).map(|token| &sql[token.range.clone()]);
    if !word(0)?.eq_ignore_ascii_case("create") || !word(1)?.eq_ignore_ascii_case("table") {
        return None;
    }
    let mut edits: Vec<(Range<usize>, String)> = vec![(tokens.get(2)?.range.clone(), name.to_owned())];
    if word(3)? != "(" {
        return None;
    }
    let mut changed = 0;
    for item in items(sql, &tokens[4..]) {
        let [first, rest @ ..] = item else { return None };
        let column = unquoted(&sql[first.range.clone()]);
        if is_table_constraint(&sql[first.range.clone()]) {
            continue;
        }
        if texts.iter().any(|text| text.eq_ignore_ascii_case(&column)) {
            let kind = rest.iter().take_while(|token| !is_column_constraint(&sql[token.range.clone()])).collect::<Vec<_>>();
            match (kind.first(), kind.last()) {
                (Some(from), Some(to)) => edits.push((from.range.start..to.range.end, "TEXT".to_owned())),
                _ => edits.push((first.range.end..first.range.end, " TEXT".to_owned())),
            }
            changed += 1;
        }
        if let Some((_, default)) = defaults.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column)) {
            // Right behind the last word: a comment may follow.
            let end = item.last()?.range.end;
            edits.push((end..end, format!(" DEFAULT {default}")));
            changed += 1;
        }
    }
    if changed != texts.len() + defaults.len() {
        return None;
    }
    let mut text = sql.to_owned();
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    for (range, edit) in edits.into_iter().rev() {
        text.replace_range(range, &edit);
    }
    Some(text)
}

/// `sql`, a whole `CREATE TABLE`, in which a key that was given and whose row was deleted is never given again: money is recorded
/// under it. `None` where the key is not a plain `id INTEGER` that SQLite counts by itself, or is that already.
pub(super) fn ids_given_once(sql: &str) -> Option<String> {
    let tokens = tokens(sql)?;
    let word = |token: &Token| sql[token.range.clone()].to_ascii_lowercase();
    let items = items(sql, tokens.get(4..)?);
    let end = items.last()?.last()?.range.end;
    if tokens.iter().any(|token| word(token) == "autoincrement" || (token.range.start > end && word(token) == "without")) {
        return None;
    }
    let is_id = |token: &Token| unquoted(&sql[token.range.clone()]).eq_ignore_ascii_case("id");
    let column = items.iter().find(|item| item.first().is_some_and(is_id))?;
    if word(column.get(1)?) != "integer" {
        return None;
    }
    let mut text = sql.to_owned();
    if let Some(key) = column.windows(2).position(|pair| word(&pair[0]) == "primary" && word(&pair[1]) == "key") {
        // ASC, DESC and what to do about a conflict stand between the two words.
        let follows = column.get(key + 2).map(word);
        if follows.is_some_and(|word| ["asc", "desc", "on"].contains(&word.as_str())) {
            return None;
        }
        text.insert_str(column[key + 1].range.end, " AUTOINCREMENT");
        return Some(text);
    }
    let is_key = |item: &&[Token]| {
        let named = item.first().is_some_and(|first| word(first) == "constraint");
        let item = if named { item.get(2..).unwrap_or_default() } else { item };
        let words: Vec<String> = item.iter().map(word).collect();
        matches!(words.as_slice(), [primary, key, open, _, close] if primary == "primary" && key == "key" && open == "(" && close == ")")
            && item.get(3).is_some_and(is_id)
    };
    let at = items.iter().position(is_key)?;
    let (before, key) = (items.get(at.checked_sub(1)?)?, items.get(at)?);
    // The later place first, so that the earlier one stays where it is.
    text.replace_range(before.last()?.range.end..key.last()?.range.end, "");
    text.insert_str(column.last()?.range.end, " PRIMARY KEY AUTOINCREMENT");
    Some(text)
}

/// A word, a quoted name or text, or a single character.
#[derive(Debug, Clone)]
struct Token {
    range: Range<usize>,
}

/// Takes `sql` apart; `None` when something is not closed.
fn tokens(sql: &str) -> Option<Vec<Token>> {
    let bytes = sql.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &sql[at..];
        let length = match byte {
            _ if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'-' if rest.starts_with("--") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            b'/' if rest.starts_with("/*") => {
                at += rest[2..].find("*/")? + 4;
                continue;
            }
            b'[' => rest.find(']')? + 1,
            b'"' | b'\'' | b'`' => quoted_length(rest.as_bytes())?,
            _ if is_word(byte) => rest.bytes().take_while(|byte| is_word(*byte)).count(),
            _ => 1,
        };
        tokens.push(Token { range: at..at + length });
        at += length;
    }
    Some(tokens)
}

/// Bytes of a character beyond ASCII are part of a name.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The length of a quoted text with its quotes, in which a doubled quote stands for one.
fn quoted_length(bytes: &[u8]) -> Option<usize> {
    let quote = *bytes.first()?;
    let mut at = 1;
    loop {
        if *bytes.get(at)? != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
}

/// The comma-separated items up to the parenthesis that closes the list.
fn items<'a>(sql: &str, tokens: &'a [Token]) -> Vec<&'a [Token]> {
    let mut items = Vec::new();
    let (mut depth, mut start) = (0_u32, 0);
    for (index, token) in tokens.iter().enumerate() {
        match &sql[token.range.clone()] {
            "(" => depth += 1,
            ")" if depth == 0 => {
                items.push(&tokens[start..index]);
                break;
            }
            ")" => depth -= 1,
            "," if depth == 0 => {
                items.push(&tokens[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    items
}

fn is_table_constraint(word: &str) -> bool {
    ["constraint", "primary", "unique", "check", "foreign"].iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

fn is_column_constraint(word: &str) -> bool {
    let keywords = ["default", "not", "null", "collate", "references", "generated", "as"];
    is_table_constraint(word) || keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// A name without its quotes.
fn unquoted(name: &str) -> String {
    match name.as_bytes().first() {
        Some(b'[') => name[1..name.len() - 1].to_owned(),
        Some(&quote @ (b'"' | b'\'' | b'`')) => {
            let quote = char::from(quote).to_string();
            name[1..name.len() - 1].replace(&quote.repeat(2), &quote)
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_the_types_and_the_defaults_change() {
        let sql = "CREATE TABLE players (\n\tid INTEGER NOT NULL, \n\ttotal_ap FLOAT NOT NULL, \n\tlevel INTEGER NOT NULL, \n\
                   \tPRIMARY KEY (id), \n\tUNIQUE (email, total_ap)\n)";
        let made = rewrite(sql, "new", &["total_ap"], &[("total_ap", "'0'"), ("level", "1")]).unwrap();
        let expected = sql
            .replace("TABLE players", "TABLE new")
            .replace("FLOAT NOT NULL", "TEXT NOT NULL DEFAULT '0'")
            .replace("level INTEGER NOT NULL", "level INTEGER NOT NULL DEFAULT 1");
        assert_eq!(made, expected);
    }

    #[test]
    fn quotes_comments_and_columns_of_others_are_left_alone() {
        let sql = "CREATE TABLE \"pool, (snapshots\" (\"paid\" DOUBLE PRECISION(10, 2) CHECK (paid >= 0), -- paid FLOAT, a (comment\n\
                   [x,y] FLOAT DEFAULT ')', /* balance FLOAT, */ `balance`, note VARCHAR DEFAULT 'it''s, fine' COLLATE NOCASE -- end\n\
                   , twice FLOAT GENERATED ALWAYS AS (paid * 2) VIRTUAL, CONSTRAINT paid CHECK (paid < 9)) STRICT";
        let made = rewrite(sql, "new", &["paid", "balance"], &[("note", "'x'")]).unwrap();
        let expected = sql
            .replace("\"pool, (snapshots\"", "new")
            .replace("DOUBLE PRECISION(10, 2)", "TEXT")
            .replace("`balance`", "`balance` TEXT")
            .replace("NOCASE -- end", "NOCASE DEFAULT 'x' -- end");
        assert_eq!(made, expected);
    }

    #[test]
    fn a_key_is_given_once_where_sqlite_counts_it() {
        for (sql, expected) in [
            (
                "CREATE TABLE t (\n\tid INTEGER NOT NULL, \n\ta FLOAT, \n\tPRIMARY KEY (id), \n\tUNIQUE (a)\n)",
                Some("CREATE TABLE t (\n\tid INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, \n\ta FLOAT, \n\tUNIQUE (a)\n)"),
            ),
            (
                "CREATE TABLE t (\"id\" integer, a TEXT, CONSTRAINT k PRIMARY KEY (\"id\"))",
                Some("CREATE TABLE t (\"id\" integer PRIMARY KEY AUTOINCREMENT, a TEXT)"),
            ),
            (
                "CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a TEXT)",
                Some("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, a TEXT)"),
            ),
            ("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT)", None),
            ("CREATE TABLE t (id INTEGER PRIMARY KEY DESC, a TEXT)", None),
            ("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) WITHOUT ROWID", None),
            ("CREATE TABLE t (id BIGINT PRIMARY KEY, a TEXT)", None),
            ("CREATE TABLE t (id INTEGER, a TEXT, PRIMARY KEY (id, a))", None),
            ("CREATE TABLE t (id INTEGER, a TEXT)", None),
        ] {
            assert_eq!(ids_given_once(sql).as_deref(), expected, "{sql}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for sql in [
            "CREATE VIRTUAL TABLE t USING x (a FLOAT)",
            "CREATE TABLE t (b FLOAT)",
            "CREATE TABLE t (a FLOAT, b VARCHAR DEFAULT 'open)",
            "CREATE TABLE t AS SELECT 1",
            "",
        ] {
            assert_eq!(rewrite(sql, "new", &["a"], &[]), None, "{sql}");
        }
    }
}
