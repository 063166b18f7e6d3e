//! The `mining_reward` payload (SPEC.md section 6). Pure.
//!
//! Amounts are JSON numbers with exactly the decimal digits of the amount, so the text is written here field by field: no
//! serializer gets the chance to make a float of them, and the order of the fields is the documented one.

use chrono::NaiveDateTime;
use serde_json::Value;

use crate::domain::{Amount, EventId, PlayerId, Points, PoolName};

/// The event's name in Socket.IO, and its `type` on a plain WebSocket.
pub const MINING_REWARD: &str = "mining_reward";

/// One award, as the game server is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MiningReward {
    /// The same on every retry: what the receiver recognizes a repetition by.
    pub event_id: EventId,
    /// The player's events are numbered without gaps.
    pub sequence: i64,
    /// Who is rewarded.
    pub player_id: PlayerId,
    /// The player's name in the game.
    pub username: String,
    /// The pool that paid.
    pub pool: PoolName,
    /// What the pool paid, in ADVC.
    pub advc_amount: Amount,
    /// The points awarded for it.
    pub ap_awarded: Points,
    /// All points of the player, after this award.
    pub total_ap: Points,
    /// All ADVC of the player, after this award.
    pub total_advc_mined: Amount,
    /// When the award was made, UTC.
    pub timestamp: NaiveDateTime,
}

impl MiningReward {
    /// The room of the player, for the server to relay to.
    #[must_use]
    pub fn room(&self) -> String {
        format!("player_{}", self.player_id)
    }

    /// The payload as one JSON object. The time has millisecond precision, the rest is cut off.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Self { event_id, sequence, player_id, advc_amount, ap_awarded, total_ap, total_advc_mined, .. } = self;
        let username = quoted(&self.username);
        let pool = quoted(self.pool.as_str());
        let timestamp = self.timestamp.format("%Y-%m-%dT%H:%M:%S%.3fZ");
        let room = quoted(&self.room());
        // The texts of amounts and ids are JSON numbers and plain characters by their types.
        format!(
            r#"{{"event_id":"{event_id}","sequence":{sequence},"player_id":{player_id},"username":{username},"pool":{pool},"advc_amount":{advc_amount},"ap_awarded":{ap_awarded},"total_ap":{total_ap},"total_advc_mined":{total_advc_mined},"timestamp":"{timestamp}","room":{room}}}"#
        )
    }
}

fn quoted(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;

    use super::*;

    fn reward() -> MiningReward {
        MiningReward {
            event_id: "6f1d4c5e-0000-5000-8000-000000000001".parse().unwrap(),
            sequence: 7,
            player_id: PlayerId(42),
            username: "Ann".into(),
            pool: "cpu-pool".parse().unwrap(),
            advc_amount: "1.5".parse().unwrap(),
            ap_awarded: Points::new("150".parse().unwrap()),
            total_ap: Points::new("1650.00000001".parse().unwrap()),
            total_advc_mined: "1234567890123.12345678".parse().unwrap(),
            timestamp: NaiveDate::from_ymd_opt(2026, 1, 2).unwrap().and_hms_nano_opt(3, 4, 5, 678_999_999).unwrap(),
        }
    }

    #[test]
    fn the_payload_is_the_documented_one_digit_by_digit() {
        assert_eq!(
            reward().to_json(),
            concat!(
                r#"{"event_id":"6f1d4c5e-0000-5000-8000-000000000001","sequence":7,"player_id":42,"username":"Ann","#,
                r#""pool":"cpu-pool","advc_amount":1.5,"ap_awarded":150,"total_ap":1650.00000001,"#,
                r#""total_advc_mined":1234567890123.12345678,"timestamp":"2026-01-02T03:04:05.678Z","room":"player_42"}"#
            )
        );
    }

    #[test]
    fn a_whole_second_has_its_milliseconds_too() {
        let mut reward = reward();
        reward.timestamp = NaiveDate::from_ymd_opt(2026, 12, 31).unwrap().and_hms_opt(23, 59, 59).unwrap();
        assert!(reward.to_json().contains(r#""timestamp":"2026-12-31T23:59:59.000Z""#));
    }

    proptest! {
        #[test]
        fn any_payload_reads_back_exactly(username in "\\PC{0,30}|[\"\\\\\u{0}-\u{1f}]{0,10}", units in -1_i128 << 90..1_i128 << 90, player in any::<i32>()) {
            let amount = Amount::from_units(units).unwrap();
            let reward = MiningReward {
                username: username.clone(),
                advc_amount: amount,
                total_ap: Points::new(amount),
                player_id: PlayerId(player),
                ..reward()
            };
            let value: Value = serde_json::from_str(&reward.to_json()).unwrap();
            prop_assert_eq!(value["username"].as_str(), Some(username.as_str()));
            for field in ["advc_amount", "total_ap"] {
                prop_assert!(value[field].is_number());
                prop_assert_eq!(value[field].to_string().parse::<Amount>(), Ok(amount));
            }
            prop_assert_eq!(&value["room"], &Value::String(format!("player_{player}")));
            prop_assert_eq!(value.as_object().map(serde_json::Map::len), Some(11));
        }
    }
}
