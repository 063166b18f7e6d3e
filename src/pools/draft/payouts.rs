//! Where an answer lists payouts.

use serde_json::Value;

use super::{AMOUNTS, DEPTH_MAX, IDS, TIMES, quoted};

/// A list of payouts that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) items: String,
    id: String,
    amount: String,
    time: Option<String>,
}

impl List {
    /// The lines of the table `name`.
    pub(super) fn lines(&self, name: &str) -> Vec<String> {
        let mut lines = vec![format!("[{name}]"), format!("items = {}", quoted(&self.items))];
        lines.push(format!("id = {}", quoted(&self.id)));
        lines.push(format!("amount = {}", quoted(&self.amount)));
        lines.extend(self.time.as_ref().map(|time| format!("time = {}", quoted(time))));
        lines.push("# How far back the list reaches, if it is a matter of time:".to_owned());
        lines.push("#: window_seconds = 86400".to_owned());
        lines
    }
}

/// The first array whose items have an id and an amount.
pub(super) fn find(value: &Value) -> Option<List> {
    find_below(value, "", 0)
}

fn find_below(value: &Value, pointer: &str, depth: usize) -> Option<List> {
    let Value::Object(members) = value else { return None };
    let of_member = |(key, value): (&String, &Value)| {
        let pointer = format!("{pointer}/{}", escaped(key));
        match value {
            Value::Array(items) => {
                let item = items.first()?;
                Some(List {
                    id: member(item, &IDS)?,
                    amount: member(item, &AMOUNTS)?,
                    time: member(item, &TIMES),
                    items: pointer,
                })
            }
            _ if depth < DEPTH_MAX => find_below(value, &pointer, depth + 1),
            _ => None,
        }
    };
    members.iter().find_map(of_member)
}

/// The pointer to the member of `item` that has the first of `names`, without case and separators.
pub(super) fn member(item: &Value, names: &[&str]) -> Option<String> {
    let members = item.as_object()?;
    let plain = |key: &str| key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    names.iter().find_map(|name| members.keys().find(|key| plain(key) == *name)).map(|key| format!("/{}", escaped(key)))
}

pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
