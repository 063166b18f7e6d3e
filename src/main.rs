//! The `pool-poller` program.

fn main() {}
