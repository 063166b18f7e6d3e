//! Fetching a feed: all its pages, for all wallets at once.

use std::collections::HashMap;

use super::extract::Extracted;
use super::failure::Failure;
use super::feed::FeedReader;
use super::http::{PoolClient, is_read_in_place, off_thread};
use crate::domain::Wallet;

impl PoolClient {
    /// Reads the pool's feed and answers what it says about each of `wallets`. Nothing where the pool has no feed.
    ///
    /// Pages are asked for until one is empty, and all of them count or none: a list without its end would look like a
    /// complete one.
    ///
    /// # Errors
    /// When the feed cannot be read; nothing is known of any wallet then.
    ///
    /// # Panics
    /// A panic of the code that reads answers goes on to the caller, on whichever thread it happened.
    pub async fn fetch_feed(&self, wallets: &[Wallet]) -> Result<HashMap<Wallet, Result<Extracted, Failure>>, Failure> {
        let Some(mut reader) = FeedReader::new(self.spec_of_now().await?, wallets) else { return Ok(HashMap::new()) };
        let limit = self.spec.limits().body_bytes_max;
        for page in reader.pages() {
            let body = self.get(&self.spec, self.url.for_page(page), limit, &self.timeout).await?;
            let is_read_in_place = is_read_in_place(&body);
            let read_page = move || {
                let items = reader.page(body.as_bytes())?;
                Ok((reader, items))
            };
            let read;
            (reader, read) = if is_read_in_place { read_page()? } else { off_thread(read_page).await? };
            if read == 0 {
                break;
            }
        }
        Ok(reader.finish())
    }
}

#[cfg(test)]
#[path = "feed_client_tests.rs"]
mod tests;
