//! The harness of `tests/it/daemon`.

#[path = "../it/daemon/basics.rs"]
mod basics;
#[path = "../it/daemon/bench.rs"]
pub(crate) mod bench;
#[path = "../it/daemon/process.rs"]
pub(crate) mod process;
#[path = "../it/daemon/rows.rs"]
pub(crate) mod rows;

pub(crate) use basics::{DEADLINE, amount, eventually, money};
