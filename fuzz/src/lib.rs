//! The pure modules of the daemon, compiled once more with instrumentation, and what must hold of them whatever they read.
//!
//! The sources are the daemon's own, by path. A new module of `domain`, `notify` or `pools` that these use has to be named here too.

#![allow(dead_code, unreachable_pub, missing_docs, unused_imports)]

#[path = "../../src/domain/mod.rs"]
pub mod domain;
pub mod notify;
pub mod pools;

// The pool files name headers by awc's type, which is that of `http`; nothing else of awc is needed here.
extern crate self as awc;

pub mod http {
    pub mod header {
        pub use ::http::header::HeaderName;
    }
}
