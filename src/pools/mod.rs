//! Mining pools as data: what a pool file says, how a pool is asked and what its answer means.
//!
//! A pool is one TOML file; the program holds no code about any particular one. [`registry`] finds the files, [`spec`]
//! reads one, [`http`] asks the pool about a wallet and [`extract()`] turns the body into exact figures or into a
//! [`Failure`] that says why there are none. Nothing here knows actors, the database or when to ask: pacing, retries,
//! the breaker and metrics are the caller's.

mod body;
mod coding;
mod document;
mod listed;
mod raw;
mod redirect;
mod response;
mod rules;
mod scan;
mod template;
mod unit;
mod validate;
mod windows;

#[cfg(test)]
mod corpus_tests;

pub mod draft;
pub mod extract;
pub mod failure;
pub mod feed;
mod feed_client;
pub mod http;
pub mod pointer;
pub mod registry;
pub mod spec;
pub mod spec_error;
pub mod trial;

pub use extract::{Extracted, extract};
pub use failure::{Blame, Excerpt, Failure, LimitSign};
pub use http::{Fetched, HttpSettings, PoolClient, install_crypto};
pub use registry::{RegistryError, load};
pub(crate) use response::retry_after;
pub use rules::Limits;
pub use spec::PoolSpec;
pub use spec_error::SpecError;
pub use template::{TemplateError, UrlTemplate};
