//! What a game server's acknowledgement says: taken, or refused and why. Pure.
//!
//! Any acknowledgement means that the event was taken, unless it is an object with a non-empty `error` or with
//! `"ok": false`. Both dialects share the rule.

use serde_json::Value;

/// Whether a JSON text is that of an object: a derived structure is read from an array of its fields as well, which no
/// server means.
pub(super) fn is_object(json: &str) -> bool {
    json.trim_start().starts_with('{')
}

/// Why the server refused, or `None` when it took the event.
pub(super) fn refusal(answer: &Value) -> Option<String> {
    let fields = answer.as_object()?;
    if let Some(error) = fields.get("error").filter(|error| !is_empty(error)) {
        return Some(text_of(error));
    }
    if fields.get("ok") == Some(&Value::Bool(false)) {
        return Some(fields.get("message").map_or_else(|| "ok: false".into(), text_of));
    }
    None
}

/// `error: null`, `""`, `false`, `0`, `[]` and `{}` are how servers of different languages say that there was no error.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => fields.get("message").and_then(Value::as_str).map_or_else(|| value.to_string(), str::to_owned),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_or_a_false_ok_is_a_refusal() {
        for (answer, expected) in [
            ("null", None),
            ("true", None),
            ("false", None),
            ("\"error\"", None),
            ("[]", None),
            ("{}", None),
            (r#"{"ok":true}"#, None),
            (r#"{"ok":"false"}"#, None),
            (r#"{"error":null,"ok":true}"#, None),
            (r#"{"error":""}"#, None),
            (r#"{"error":false}"#, None),
            (r#"{"error":0}"#, None),
            (r#"{"error":{}}"#, None),
            (r#"{"error":"no such player"}"#, Some("no such player")),
            (r#"{"error":"late","ok":true}"#, Some("late")),
            (r#"{"error":{"message":"full"}}"#, Some("full")),
            (r#"{"error":{"code":7}}"#, Some(r#"{"code":7}"#)),
            (r#"{"error":5}"#, Some("5")),
            (r#"{"ok":false}"#, Some("ok: false")),
            (r#"{"ok":false,"message":"busy"}"#, Some("busy")),
        ] {
            let answer: Value = serde_json::from_str(answer).unwrap();
            assert_eq!(refusal(&answer).as_deref(), expected, "{answer}");
        }
    }
}
