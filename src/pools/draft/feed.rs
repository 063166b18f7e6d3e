//! A draft for a document that lists everybody's payouts: the two shapes that pools publish.

use serde_json::Value;

use super::payouts::{escaped, member};
use super::{ADDRESSES, AMOUNTS, DraftError, IDS, Sample, TIMES, quoted};
use crate::pools::spec::PoolSpec;

/// What an item of a feed is like.
struct Feed {
    items: String,
    /// What else stands beside the items' array: the coin's name.
    filter: Option<(String, String)>,
    id: String,
    amounts: Vec<String>,
    time: Option<String>,
}

/// A pool file for documents like the sample, which is an array.
pub(super) fn draft(sample: &Sample<'_>, value: &Value) -> Result<String, DraftError> {
    let Some(currency) = sample.currency else { return Err(DraftError::NoCurrency) };
    let feed = value.as_array().into_iter().flatten().find_map(|element| item(element, "/*").or_else(|| nested(element)));
    let Some(feed) = feed else {
        return Err(DraftError::NoCounter("; the sample is an array whose elements are no payouts".to_owned()));
    };
    let mut lines = vec![
        "# A draft made from one document: check every line with `pool-poller pools test` before it is enabled. Every key is"
            .to_owned(),
        "# explained in cpu-pool.toml.".to_owned(),
        String::new(),
        format!("name = {}", quoted(sample.name.as_str())),
        "enabled = false".to_owned(),
        String::new(),
        "# Everybody's payouts in one document, which is read once for all players.".to_owned(),
        "[feed]".to_owned(),
        format!("url = {}", quoted(sample.url)),
        format!("items = {}", quoted(&feed.items)),
    ];
    if let Some((pointer, value)) = &feed.filter {
        lines.push("# The first one of the document: put in the one that the players mine.".to_owned());
        lines.push(format!("filter = {{ pointer = {}, value = {} }}", quoted(pointer), quoted(value)));
    }
    lines.push(format!("id = {}", quoted(&feed.id)));
    lines.extend(feed.amounts);
    lines.extend(feed.time.iter().map(|time| format!("time = {}", quoted(time))));
    lines.push(format!("\n[currency]\nconstant = {}", quoted(currency.as_str())));
    lines.push("\n[limits]\nrate_per_minute = 6\nconcurrency = 1\n".to_owned());
    let out = lines.join("\n");
    PoolSpec::parse(&out, "the draft")?;
    Ok(out)
}

/// The feed whose items are like `item` and are found at `items`.
fn item(item: &Value, items: &str) -> Option<Feed> {
    let id = member(item, &IDS)?;
    let amounts = match (member(item, &ADDRESSES), member(item, &AMOUNTS)) {
        (Some(address), Some(amount)) if item.pointer(&address).is_some_and(Value::is_string) => {
            vec![format!("address = {}", quoted(&address)), format!("amount = {}", quoted(&amount))]
        }
        _ => vec![format!("amounts = {}", quoted(&member(item, &["amounts"])?))],
    };
    Some(Feed { items: items.to_owned(), filter: None, id, amounts, time: member(item, &TIMES) })
}

/// The feed in which each element is a coin with its payouts.
fn nested(element: &Value) -> Option<Feed> {
    let members = element.as_object()?;
    let found = members.iter().find_map(|(key, value)| item(value.as_array()?.first()?, &format!("/*/{}/*", escaped(key))));
    let name = member(element, &["name", "coin", "symbol", "pool"]);
    let filter = name.and_then(|name| Some((format!("/*{name}"), element.pointer(&name)?.as_str()?.to_owned())));
    found.map(|feed| Feed { filter, ..feed })
}
