//! `pool-poller completions` and `pool-poller man`, made from the same definitions as `--help`.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap_complete::Shell;
use clap_mangen::Man;

use super::output::print;
use super::{Stop, definitions};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Write one page for each command into this directory instead of the main page to standard output.
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Stop> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definitions(), "pool-poller", &mut script);
    write_out(&script)
}

pub(super) fn man(args: &ManArgs) -> Result<(), Stop> {
    let mut command = definitions();
    command.build();
    let Some(directory) = &args.directory else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).map_err(Stop::failed)?;
        return write_out(&page);
    };
    let shown = |error: io::Error| Stop::failed(format!("{}: {error}", directory.display()));
    fs::create_dir_all(directory).map_err(shown)?;
    let pages = write_pages(&command, "pool-poller", directory).map_err(shown)?;
    print(format_args!("{pages} pages in {}", directory.display()))
}

/// Writes the page of `command` and those of everything below it, and answers how many there were.
fn write_pages(command: &clap::Command, name: &str, directory: &Path) -> io::Result<usize> {
    let mut page = Vec::new();
    // The page's title and synopsis are the whole command, not its last word.
    let owned: &'static str = Box::leak(name.replace(' ', "-").into_boxed_str());
    Man::new(command.clone().name(owned).bin_name(name)).render(&mut page)?;
    fs::write(directory.join(format!("{owned}.1")), page)?;
    let mut pages = 1;
    for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        pages += write_pages(below, &format!("{name} {}", below.get_name()), directory)?;
    }
    Ok(pages)
}

/// Bytes to standard output; a reader that has seen enough is no failure.
fn write_out(bytes: &[u8]) -> Result<(), Stop> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Stop::failed(format!("standard output: {error}"))),
        _ => Ok(()),
    }
}
