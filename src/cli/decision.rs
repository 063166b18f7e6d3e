//! What the commands that decide about money share: who decides and why, whose, and exact numbers.

use chrono::NaiveDateTime;
use entity::Money;
use sea_orm::DatabaseConnection;
use serde_json::Value;

use super::Stop;
use crate::store::decisions::Operator;
use crate::store::players::{self, PlayerRow};
use crate::store::stored_decimal;

/// Who decides, and why.
#[derive(Debug, clap::Args)]
pub(super) struct Who {
    /// Why; it is kept with the decision.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who decides; by default the user who called sudo, or else the user.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Who {
    /// The operator.
    pub(super) fn operator(&self) -> Result<Operator, Stop> {
        let user = |name: &str| std::env::var(name).ok().filter(|user| !user.trim().is_empty());
        let by = self.by.clone().or_else(|| user("SUDO_USER")).or_else(|| user("USER"));
        let by = by.ok_or_else(|| Stop::usage("neither SUDO_USER nor USER says who decides; give --by NAME"))?;
        Operator::new(&by, &self.reason).map_err(Stop::usage)
    }
}

/// The id of the player with this name or id.
pub(super) async fn player_id(db: &DatabaseConnection, who: Option<&str>) -> Result<Option<i32>, Stop> {
    match who {
        Some(who) => Ok(Some(players::find(db, who).await.map_err(Stop::failed)?.id)),
        None => Ok(None),
    }
}

/// A JSON number with the exact digits.
pub(super) fn exact(money: Money) -> Value {
    money.0.normalize().to_string().parse().map_or(Value::Null, Value::Number)
}

/// The same of a value that may be missing.
pub(super) fn exact_or_null(money: Option<Money>) -> Value {
    money.map_or(Value::Null, exact)
}

/// The shortest exact form for a person.
pub(super) fn plain(money: Money) -> String {
    money.0.normalize().to_string()
}

/// The shortest exact form of a stored text for a person; what is no number is shown as it stands there.
pub(super) fn plain_text(stored: &str) -> String {
    stored_decimal(stored).map_or_else(|| stored.to_owned(), |value| value.normalize().to_string())
}

/// The same for a script: a number, or the text where it is none.
pub(super) fn exact_text(stored: &str) -> Value {
    stored_decimal(stored).map_or_else(|| Value::from(stored), |value| exact(Money(value)))
}

/// When a player got AP last, for a person.
pub(super) fn last_award(player: &PlayerRow) -> String {
    player.last_award().map(time).or_else(|| player.last_mining_event.clone()).unwrap_or_default()
}

/// The same for a script.
pub(super) fn last_award_json(player: &PlayerRow) -> Option<String> {
    rfc3339(player.last_award()).or_else(|| player.last_mining_event.clone())
}

/// A time for a person.
pub(super) fn time(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time for a script.
pub(super) fn rfc3339(at: Option<NaiveDateTime>) -> Option<String> {
    at.map(|at| at.and_utc().to_rfc3339())
}
