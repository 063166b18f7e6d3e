//! The real program from the outside: its arguments and environment in; exit code, output and database out.
//!
//! Every test has a working directory of its own and an environment that holds nothing but what the test puts there. No test
//! asks a real pool: where a player is polled, every pool is a simulated one.

mod database_url;
mod first_run;
mod help;
mod import;
mod migrate;
mod output;
mod players;
mod pool_files;
mod pool_trial;
mod pools;
mod program;
mod replay;
mod secrets;
mod settings;
mod shell;
mod shown_settings;
