//! `deploy/`: the script that installs, upgrades and removes the service, below a directory of the test's; and the unit.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pool_poller::settings::{FILE_SUFFIX, KEYS, LoadOptions, Settings};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pool-poller");

fn tree(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A machine that is a directory.
struct Machine {
    folder: TempDir,
    has_systemd: bool,
}

impl Machine {
    fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder"), has_systemd: false }
    }

    /// With a systemd that writes down what it is asked, and says that the service is in `state`.
    fn with_service(mut self, state: &str) -> Self {
        self.has_systemd = true;
        let script = "#!/bin/sh\necho \"$*\" >>\"$0.log\"\n[ \"$1\" != is-active ] || cat \"$0.state\"\n";
        fs::write(self.path("systemctl"), script).expect("a stand-in");
        fs::set_permissions(self.path("systemctl"), fs::Permissions::from_mode(0o755)).expect("it can be run");
        self.is(state);
        self
    }

    fn is(&self, state: &str) {
        fs::write(self.path("systemctl.state"), format!("{state}\n")).expect("a state");
        fs::write(self.path("systemctl.log"), "").expect("a log");
    }

    fn asked_of_systemd(&self) -> String {
        read(self.path("systemctl.log"))
    }

    /// What the machine has below `name`; what the stand-in needs is beside it.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn root(&self, name: &str) -> PathBuf {
        self.path("root").join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("bash");
        command.arg(tree("deploy/install.sh")).args(arguments).env("DESTDIR", self.path("root"));
        // Not that of whoever runs the tests.
        command.env_remove("SYSTEMCTL").current_dir(self.folder.path());
        if self.has_systemd {
            command.env("SYSTEMCTL", self.path("systemctl"));
        }
        command.output().expect("bash")
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && complained.is_empty(), "{arguments:?}: {said}{complained}");
        said.into_owned()
    }

    /// Every file, by its name from the root on.
    fn files(&self) -> BTreeSet<String> {
        fn walk(folder: &Path, root: &Path, files: &mut BTreeSet<String>) {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(&path, root, files);
                } else {
                    files.insert(path.strip_prefix(root).expect("below it").display().to_string());
                }
            }
        }
        let mut files = BTreeSet::new();
        walk(&self.root(""), &self.root(""), &mut files);
        files
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.root(name)).unwrap_or_else(|error| panic!("{name}: {error}")).permissions().mode() & 0o7777
    }
}

#[test]
fn installing_twice_is_installing_once() {
    let machine = Machine::new();
    let said = machine.succeeds(&[PROGRAM]);
    assert!(said.contains("made /etc/pool-poller/.env") && said.contains("systemd does not run here"), "{said}");
    let files = machine.files();
    for name in [
        "etc/pool-poller/.env",
        "etc/pool-poller/config.toml",
        "etc/systemd/system/pool-poller.service",
        "usr/local/bin/pool-poller",
        "usr/local/share/bash-completion/completions/pool-poller",
        "usr/local/share/fish/vendor_completions.d/pool-poller.fish",
        "usr/local/share/man/man1/pool-poller.1",
        "usr/local/share/man/man1/pool-poller-events-approve.1",
        "usr/local/share/pool-poller/pools/cpu-pool.toml",
        "usr/local/share/pool-poller/pools/ready/miningcore.toml",
        "usr/local/share/zsh/site-functions/_pool-poller",
    ] {
        assert!(files.contains(name), "{name} is not among {files:?}");
    }
    let modes = [("etc/pool-poller", 0o750), ("etc/pool-poller/secrets", 0o700), ("etc/pool-poller/.env", 0o640)];
    for (name, mode) in
        modes.into_iter().chain([("usr/local/bin/pool-poller", 0o755), ("usr/local/share/man/man1/pool-poller.1", 0o644)])
    {
        assert_eq!(machine.mode(name), mode, "{name}");
    }
    assert_eq!(read(machine.root("etc/pool-poller/.env")), read(tree("deploy/.env.example")));
    let version = Command::new(machine.root("usr/local/bin/pool-poller")).arg("--version").output().expect("it runs");
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("pool-poller "));

    let said = machine.succeeds(&[PROGRAM]);
    assert!(said.contains("kept /etc/pool-poller/.env") && !said.contains("made"), "{said}");
    assert_eq!(machine.files(), files);
}

#[test]
fn an_upgrade_keeps_what_is_the_operators_and_replaces_the_rest() {
    let machine = Machine::new();
    machine.succeeds(&[PROGRAM]);
    let env = machine.root("etc/pool-poller/.env");
    fs::write(&env, "DATABASE_URL=sqlite:///var/lib/pool-poller/mine.db\n").expect("an edited file");
    fs::set_permissions(&env, fs::Permissions::from_mode(0o644)).expect("a careless mode");
    let own = [
        ("etc/pool-poller/config.toml", "ap_per_advc = 7\n"),
        ("etc/pool-poller/pools/mine.toml", "name = \"mine\"\n"),
        ("etc/pool-poller/secrets/token", "t\n"),
        ("var/lib/pool-poller/pool-poller.db", "rows"),
    ];
    for (name, text) in own {
        fs::create_dir_all(machine.root(name).parent().expect("a folder")).expect("a folder");
        fs::write(machine.root(name), text).expect("an own file");
    }
    // Of an older version: its program, and a command that is no more.
    fs::write(machine.root("usr/local/bin/pool-poller"), "old").expect("an old program");
    fs::write(machine.root("usr/local/share/man/man1/pool-poller-gone.1"), "old").expect("an old page");

    machine.succeeds(&[PROGRAM]);
    assert_eq!(read(&env), "DATABASE_URL=sqlite:///var/lib/pool-poller/mine.db\n");
    assert_eq!(machine.mode("etc/pool-poller/.env"), 0o640, "what holds secrets is not for everyone");
    for (name, text) in own {
        assert_eq!(read(machine.root(name)), text, "{name}");
    }
    assert_eq!(fs::read(machine.root("usr/local/bin/pool-poller")).expect("it"), fs::read(PROGRAM).expect("it"));
    assert!(!machine.root("usr/local/share/man/man1/pool-poller-gone.1").exists());

    machine.succeeds(&["--uninstall"]);
    let left: BTreeSet<String> =
        own.iter().map(|(name, _)| (*name).to_owned()).chain(["etc/pool-poller/.env".to_owned()]).collect();
    assert_eq!(machine.files(), left);
    machine.succeeds(&["--uninstall"]);
    assert_eq!(machine.files(), left, "twice is once");
}

#[test]
fn only_a_service_that_runs_is_restarted() {
    let machine = Machine::new().with_service("inactive");
    let said = machine.succeeds(&[PROGRAM]);
    assert!(said.contains("systemctl enable --now pool-poller"), "{said}");
    assert_eq!(machine.asked_of_systemd(), "daemon-reload\nis-active pool-poller.service\n");
    for state in ["active", "activating"] {
        machine.is(state);
        machine.succeeds(&[PROGRAM]);
        let asked = machine.asked_of_systemd();
        assert_eq!(asked, "daemon-reload\nis-active pool-poller.service\nrestart --no-block pool-poller.service\n", "{state}");
    }
    machine.is("failed");
    machine.succeeds(&[PROGRAM]);
    assert!(!machine.asked_of_systemd().contains("start"), "{}", machine.asked_of_systemd());
    machine.is("active");
    machine.succeeds(&["--uninstall"]);
    assert_eq!(machine.asked_of_systemd(), "disable --now pool-poller.service\ndaemon-reload\n");
}

#[test]
fn what_cannot_be_installed_is_refused_before_anything_is_changed() {
    let machine = Machine::new();
    fs::write(machine.path("text"), "no program").expect("a file");
    for (arguments, code) in [(&["not-there"][..], 1), (&["text"], 1), (&["/bin/true"], 1), (&["--purge"], 2), (&["a", "b"], 2)] {
        let output = machine.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stderr.is_empty());
    }
    assert!(!machine.path("root").exists());
}

#[test]
fn what_the_package_installed_is_not_installed_beside() {
    let machine = Machine::new();
    fs::create_dir_all(machine.root("usr/bin")).expect("a folder");
    fs::write(machine.root("usr/bin/pool-poller"), "the package's").expect("a file");
    let output = machine.run(&[PROGRAM]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("apt remove pool-poller"), "{said}");
    assert_eq!(machine.files(), BTreeSet::from(["usr/bin/pool-poller".to_owned()]));
}

#[test]
fn the_installed_settings_lead_to_the_state_directory() {
    let folder = TempDir::new().expect("a folder");
    let options = LoadOptions {
        config_file: Some(tree("deploy/config.toml")),
        system_config_file: folder.path().join("none"),
        working_directory: folder.path().to_owned(),
        environment: Vec::new(),
    };
    let settings = Settings::load(&options).expect("good settings");
    assert_eq!(settings.database_url.sqlite_file(), Some("/var/lib/pool-poller/pool-poller.db".into()));
    assert_eq!(settings.pools_dir, Some("/etc/pool-poller/pools".into()));
    assert!(settings.warnings().is_empty());
}

#[test]
fn the_unit_runs_the_program_where_its_settings_are_and_reloads_what_can_be_used() {
    let unit = read(tree("deploy/pool-poller.service"));
    // Found by systemd where install.sh puts it and where the package does.
    assert!(unit.contains("\nExecStart=pool-poller run "), "{unit}");
    // By its own rules, and again at a reload: an environment cannot change, and would go before the file.
    assert!(unit.contains("\nWorkingDirectory=/etc/pool-poller\n") && !unit.contains("\nEnvironmentFile="), "{unit}");
    let reload: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("ExecReload=")).collect();
    assert_eq!(reload, ["pool-poller config check", r#"sh -c "kill -HUP $MAINPID""#], "checked first");
    for line in ["Type=notify", "User=m2p", "WatchdogSec=30", "Restart=on-failure", "RestartPreventExitStatus=78"] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn the_units_credentials_are_settings_that_are_read_from_files() {
    let unit = read(tree("deploy/pool-poller.service"));
    let of = |start: &'static str| unit.lines().filter_map(move |line| line.strip_prefix(start));
    let credentials: Vec<&str> = of("#LoadCredential=").filter_map(|line| Some(line.split_once(':')?.0)).collect();
    assert!(!credentials.is_empty());
    let used: Vec<(&str, &str)> = of("#Environment=").filter_map(|line| line.split_once("=%d/")).collect();
    assert_eq!(used.iter().map(|(_, file)| *file).collect::<Vec<_>>(), credentials, "each is loaded and used");
    for (variable, _) in used {
        let name = variable.strip_suffix(FILE_SUFFIX).unwrap_or(variable);
        assert!(KEYS.iter().any(|key| key.name == name && key.may_be_in_a_file()), "{variable}");
    }
}
