//! The programs that the README shows, as they stand there: what it tells a game's developer to write is what is tested.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
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
