//! The settings from the outside: every key, every layer, every kind of fault. The environment is an argument, so nothing
//! here changes the process.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod documents;
mod files;
mod layers;
mod overrides;
mod values;

use pool_poller::settings::{LoadOptions, Origin, Settings, SettingsError};
use tempfile::TempDir;

/// A working directory of its own, with as many layers as a test wants.
struct Place {
    directory: TempDir,
    options: LoadOptions,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let options = LoadOptions {
            config_file: None,
            system_config_file: directory.path().join("system.toml"),
            working_directory: directory.path().to_owned(),
            environment: Vec::new(),
        };
        Self { directory, options }
    }

    fn write(self, name: &str, text: &str) -> Self {
        std::fs::write(self.directory.path().join(name), text).unwrap();
        self
    }

    fn config(mut self, text: &str) -> Self {
        self.options.config_file = Some("my.toml".into());
        self.write("my.toml", text)
    }

    fn system_config(self, text: &str) -> Self {
        self.write("system.toml", text)
    }

    fn dotenv(self, text: &str) -> Self {
        self.write(".env", text)
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.options.environment.push((name.into(), value.into()));
        self
    }

    fn load(&self) -> Result<Settings, SettingsError> {
        Settings::load(&self.options)
    }

    fn error(&self) -> String {
        match self.load() {
            Ok(settings) => panic!("it was accepted: {settings:?}"),
            Err(error) => one_line(&error),
        }
    }
}

/// The error as an operator sees it, checked to be one line and to say no more in its `Debug` form.
fn one_line(error: &SettingsError) -> String {
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
    assert!(!format!("{error:?}").contains("hunter2"));
    line
}

fn with(name: &str, value: &str) -> Place {
    Place::new().env(name, value)
}

fn origin_of(settings: &Settings, name: &str) -> Origin {
    settings.describe().into_iter().find(|line| line.name == name).unwrap().origin
}
