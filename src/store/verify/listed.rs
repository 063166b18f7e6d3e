//! The walk over listed payouts: what a position counts by is the sum of what was recorded, each payout once.

use sea_orm::DatabaseTransaction;

use super::rows::{self, PayoutRow};
use super::{Report, amount};
use crate::domain::Amount;
use crate::store::{Observer, Progress, StoreError};

/// Checks the payouts of every wallet, and every mark and counter that is said to be a sum of them.
pub(super) async fn check(db: &DatabaseTransaction, report: &mut Report, observer: Observer<'_>) -> Result<(), StoreError> {
    let mut before: Option<PayoutRow> = None;
    loop {
        let at = before.as_ref().map(|row| (row.pool_name.clone(), row.address.clone(), row.number));
        let page = rows::payouts(db, at).await?;
        if page.is_empty() {
            break;
        }
        observer(Progress::Went(page.len() as u64));
        for row in page {
            report.payouts += 1;
            let same = |last: &&PayoutRow| (&last.pool_name, &last.address) == (&row.pool_name, &row.address);
            let last = before.as_ref().filter(same);
            let place = format!("payout {} of {} on {}", row.tx_id, row.address, row.pool_name);
            report.compare("payout_number", &place, last.map_or(1, |last| last.number + 1), row.number);
            let so_far = last.map_or(Some(Amount::ZERO), |last| amount(&last.total));
            match (so_far, amount(&row.amount), amount(&row.total)) {
                (Some(so_far), Some(paid), Some(total)) => {
                    report.compare("payout_total", &place, so_far.checked_add(paid).unwrap_or_default(), total);
                    if paid < Amount::ZERO {
                        report.differs("payout_amount", &place, "0 or above", paid);
                    }
                }
                // The row before has said so.
                (None, Some(_), Some(_)) => {}
                _ => report.differs("unreadable_amount", &place, "amounts", format!("{}, {}", row.amount, row.total)),
            }
            before = Some(row);
        }
    }
    rows::check_sums(db, report).await
}
