//! What happens to money in the database, on SQLite files and on PostgreSQL: decisions, verification, pruning, backups, and
//! what the replaced service got wrong.

mod backups;
mod bench;
mod commands;
mod decisions;
mod grants;
mod odd_rows;
mod pruning;
mod rebases;
mod regressions;
mod restores;
mod upgrade;
mod verifying;
