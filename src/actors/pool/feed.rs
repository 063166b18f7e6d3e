//! One request for all wallets, where a pool publishes everybody's payouts in one document.

use std::collections::HashMap;
use std::sync::Arc;

use super::Fetch;
use crate::domain::Wallet;
use crate::domain::agenda::Digest;
use crate::domain::roster::PollJob;
use crate::pools::{Extracted, Failure, Fetched};

/// What a feed says about each wallet that was asked about.
pub type FeedAnswers = HashMap<Wallet, Result<Extracted, Failure>>;

/// What a request brought.
pub(super) enum Found {
    /// About the wallet that was asked about.
    Wallet(Fetched),
    /// About all wallets of the round, in the order of the list. One that the feed says nothing about is not among them.
    Feed(Vec<(PollJob, Result<Extracted, Failure>)>),
}

/// The one request that stands for all `jobs`, under a name that is always the same; none where nobody is to be asked about.
pub(super) fn request_for_all(jobs: &[PollJob]) -> Vec<PollJob> {
    let stands_for_all = |job: &PollJob| {
        let wallet = "feed".parse().unwrap_or_else(|_| job.wallet.clone());
        PollJob { player: job.player, wallet }
    };
    jobs.first().map(stands_for_all).into_iter().collect()
}

/// Asks about `wallet`, whose answer is not read where it is the same as `last`, or, where it stands for all of `jobs`, for the document with all of them.
pub(super) async fn ask(
    client: &dyn Fetch,
    wallet: Wallet,
    last: Option<Digest>,
    jobs: Option<Arc<[PollJob]>>,
) -> Result<Found, Failure> {
    let Some(jobs) = jobs else { return client.fetch_unless(wallet, last).await.map(Found::Wallet) };
    let mut found = client.fetch_feed(jobs.iter().map(|job| job.wallet.clone()).collect()).await?;
    let answers = jobs.iter().filter_map(|job| Some((job.clone(), found.remove(&job.wallet)?)));
    Ok(Found::Feed(answers.collect()))
}
