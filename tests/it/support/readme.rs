//! The programs that the README shows, as they stand there: what it tells a game's developer to write is what is tested.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;

use super::required_env;

const README: &str = include_str!("../../../README.md");

/// A program of the README: its file name, which stands in its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snippet(pub(crate) &'static str);

impl Snippet {
    /// Its text.
    ///
    /// # Panics
    /// When the README has no such program.
    pub(crate) fn text(self) -> &'static str {
        let begins = |block: &&str| {
            let first = block.split_once('\n').map_or("", |(_language, text)| text).lines().next().unwrap_or_default();
            let name = first.trim_start_matches(['/', '#', ' ']);
            name == self.0 || name.starts_with(&format!("{}:", self.0))
        };
        let blocks: Vec<&str> = README.split("```").collect();
        let block = blocks.into_iter().skip(1).step_by(2).find(begins).unwrap_or_else(|| panic!("the README has no {}", self.0));
        block.split_once('\n').expect("a language").1
    }

    fn is_python(self) -> bool {
        Path::new(self.0).extension().is_some_and(|extension| extension == "py")
    }
}

/// The commands that the README shows at a prompt, each with the heading that it stands below, without the comments behind them.
pub(crate) fn commands() -> Vec<(&'static str, &'static str)> {
    let (mut heading, mut is_console, mut found) = ("", false, Vec::new());
    for line in README.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_console = language == "console";
        } else if line.starts_with('#') && !is_console {
            heading = line.trim_start_matches(['#', ' ']);
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| is_console) {
            found.push((heading, command.split("   #").next().unwrap_or_default().trim_end()));
        }
    }
    found
}

/// The commands below one heading.
pub(crate) fn commands_below(heading: &str) -> Vec<&'static str> {
    let below: Vec<_> = commands().into_iter().filter(|(of, _)| *of == heading).map(|(_, command)| command).collect();
    assert!(!below.is_empty(), "the README shows no command below {heading:?}");
    below
}

/// The commands of this program that stand in the README's sentences and tables.
pub(crate) fn mentioned() -> Vec<&'static str> {
    let spans = README.split('`').skip(1).step_by(2);
    spans.filter(|span| span.starts_with("pool-poller ") && !span.contains('\n')).collect()
}

/// `line` as a shell does it in the working directory and the environment of `like`, where `pool-poller` is the program with the
/// arguments of `like`.
pub(crate) fn shell(like: &Command, line: &str) -> Command {
    let folder = like.get_current_dir().expect("a folder");
    let programs = folder.join("bin");
    let arguments: Vec<_> = like.get_args().map(|argument| argument.to_string_lossy()).collect();
    let wrapper = format!("#!/bin/sh\nexec '{}' {} \"$@\"\n", env!("CARGO_BIN_EXE_pool-poller"), arguments.join(" "));
    if !programs.exists() {
        fs::create_dir(&programs).expect("a writable folder");
        fs::write(programs.join("pool-poller"), wrapper).expect("a writable folder");
        fs::set_permissions(programs.join("pool-poller"), fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    let path = std::env::var("PATH").expect("a PATH");
    let mut shell = Command::new("/bin/bash");
    shell.args(["-c", line]).env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
        .env("USER", "an operator")
        .env("PATH", format!("{}:{path}", programs.display()))
        .current_dir(folder)
        .stdin(Stdio::null());
    shell
}

/// A folder in which programs of the README run, with the packages that they import.
pub(crate) struct Workshop(TempDir);

impl Workshop {
    pub(crate) fn new(snippets: &[Snippet]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for snippet in snippets {
            fs::write(folder.path().join(snippet.0), snippet.text()).expect("a writable folder");
        }
        let modules = required_env("POOL_POLLER_TEST_NODE_MODULES");
        std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).expect("a link");
        Self(folder)
    }

    /// Writes a further file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).expect("a writable folder");
    }

    /// The interpreter of `snippet`, about to run it.
    pub(crate) fn command(&self, snippet: Snippet) -> Command {
        let python = snippet.is_python();
        let mut command = Command::new(required_env(if python { "POOL_POLLER_TEST_PYTHON" } else { "POOL_POLLER_TEST_NODE" }));
        command.arg(snippet.0).current_dir(self.0.path());
        command
    }

    /// Starts a game server of the README on a free port, and waits until it listens.
    pub(crate) fn serve(&self, snippet: Snippet, token: &str) -> GameServer {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port").local_addr().expect("a port").port();
        let mut command = self.command(snippet);
        command.env("PORT", free.to_string()).env("SOCKETIO_AUTH_TOKEN", token).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = GameServer { child: command.spawn().expect("the server starts"), port: free };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, free)).is_err() {
            assert!(Instant::now() < deadline, "{} does not listen", snippet.0);
            assert!(server.child.try_wait().expect("it can be waited for").is_none(), "{} has ended", snippet.0);
            thread::sleep(Duration::from_millis(50));
        }
        server
    }
}

/// A running game server of the README. It is killed with this value.
pub(crate) struct GameServer {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for GameServer {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("a game server: {error}");
        }
    }
}
