//! The container and the Debian package: what their descriptions say of this tree and of the program is true.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pool_poller::settings::{KEYS, LoadOptions, Settings};
use serde_json::Value;
use tempfile::TempDir;

fn tree(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(tree(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The instructions of the Dockerfile, a line each: their name and the rest.
fn instructions() -> Vec<(String, String)> {
    let text: Vec<String> = read("deploy/Dockerfile").lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let joined = text.join("\n").replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, rest)| (name.to_owned(), rest.trim().to_owned())).collect()
}

/// The rest of the last instruction of this name, which is the final stage's.
fn last(name: &str) -> String {
    let found = instructions().into_iter().rev().find(|(found, _)| found == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

/// The words of an instruction in the form that no shell reads.
fn words(json: &str) -> Vec<String> {
    let words: Vec<String> = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(words.first().map(String::as_str), Some("pool-poller"), "{json}");
    words.into_iter().skip(1).collect()
}

/// Runs the program with nothing configured but `environment`; answers its exit code and what it complained of.
fn run(arguments: &[String], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("empty.toml"), "").expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pool-poller"));
    command.current_dir(folder.path()).env_clear().envs(environment.iter().copied());
    let output = command.args(["--config", "empty.toml"]).args(arguments).output().expect("the program");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_container_runs_as_nobody_in_particular_and_is_stopped_as_the_service_is() {
    for id in last("USER").split(':') {
        assert!(id.parse::<u32>().is_ok_and(|id| id > 0), "a number that is not root's: {id}");
    }
    assert_eq!(last("STOPSIGNAL"), "SIGTERM");
    assert_eq!(last("VOLUME"), last("WORKDIR"));
    let settings = Settings::load(&LoadOptions {
        config_file: Some(tree("deploy/config.toml")),
        system_config_file: "none".into(),
        working_directory: TempDir::new().expect("a folder").path().to_owned(),
        environment: Vec::new(),
    });
    let file = settings.expect("good settings").database_url.sqlite_file().expect("a file");
    assert_eq!(file.parent(), Some(Path::new(&last("VOLUME"))), "the database is in the volume");
}

#[test]
fn the_containers_commands_are_the_programs() {
    let (options, command) = last("HEALTHCHECK").split_once("CMD ").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("CMD");
    let check = words(&command);
    let served = last("ENV");
    let (name, address) = served.split_once('=').expect("NAME=VALUE");
    assert_eq!(name, "STATUS_LISTEN");
    let (code, said) = run(&check, &[]);
    assert!(code == Some(78) && said.contains("STATUS_LISTEN is not set"), "{said}");
    // Nobody listens there; what counts is where it is asked.
    let port = address.rsplit(':').next().expect("a port");
    let (code, said) = run(&[check.clone(), vec!["--timeout".to_owned(), "1".to_owned()]].concat(), &[(name, address)]);
    assert!(code != Some(2) && code != Some(78), "{said}");
    assert_eq!(last("EXPOSE"), port);
    assert!(options.contains("--timeout=6s"), "longer than the program's own 5 s, so that it says why: {options}");

    let started: Vec<String> = serde_json::from_str(&last("CMD")).expect("words");
    let entry = words(&last("ENTRYPOINT"));
    let (code, said) = run(&[entry, started.clone(), vec!["--help".to_owned()]].concat(), &[]);
    assert_eq!(code, Some(0), "{said}");
    let unit = read("deploy/pool-poller.service");
    assert!(unit.contains(&format!("ExecStart=pool-poller {}\n", started.join(" "))), "as the service");
}

#[test]
fn what_the_container_is_built_from_is_there_and_nothing_secret() {
    let ignored = read(".dockerignore");
    let allowed: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*"), "nothing is sent but what is named");
    let mut copied = Vec::new();
    for (name, rest) in instructions() {
        if name == "COPY" && !rest.starts_with("--from") {
            let mut paths: Vec<&str> = rest.split_whitespace().collect();
            paths.pop();
            for path in paths {
                assert!(tree(path).exists(), "{path}");
                assert!(allowed.iter().any(|start| Path::new(path).starts_with(start)), "{path} is ignored");
                copied.push(path.to_owned());
            }
        }
        for key in KEYS.iter().filter(|key| key.may_be_in_a_file()) {
            assert!(!rest.contains(key.name), "{name} {rest}");
        }
    }
    assert!(copied.iter().all(|path| !path.contains(".env")), "{copied:?}");
    // The layer of the dependencies needs each manifest, and a file for each target that they name.
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    for member in manifest["workspace"]["members"].as_array().expect("a list") {
        assert!(copied.contains(&format!("{}/Cargo.toml", member.as_str().expect("a name"))), "{member}");
    }
    let stubs =
        instructions().into_iter().find(|(name, rest)| name == "RUN" && rest.contains("touch src/lib.rs")).expect("stubs");
    for bench in manifest["bench"].as_array().expect("a list") {
        assert!(stubs.1.contains(&format!("benches/{}.rs", bench["name"].as_str().expect("a name"))), "{bench}");
    }
}

#[test]
fn what_goes_into_the_package_is_there_and_where_the_service_looks() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let package: Value = serde_json::to_value(&manifest["package"]["metadata"]["deb"]).expect("values");
    let script = read("deploy/package.sh");
    let assets = package["assets"].as_array().expect("a list");
    assert!(assets.len() > 10);
    let mut installed = Vec::new();
    for asset in assets {
        let (source, target) = (asset[0].as_str().expect("a source"), asset[1].as_str().expect("a target"));
        let name = source.rsplit('/').next().expect("a name");
        installed.push(if target.ends_with('/') { format!("/{target}{name}") } else { format!("/{target}") });
        match source.strip_prefix("target/release/") {
            Some("man/*.1.gz") => assert!(script.contains("gzip -9n \"$made\"/man/*.1")),
            Some(made) => {
                let made = made.strip_prefix("completions.").map_or(made, |_| "completions.$shell");
                assert!(script.contains(&format!("$made/{made}\"")), "{source} is not made by deploy/package.sh");
            }
            None if name == "*.toml" => {
                let folder = tree(source.trim_end_matches("*.toml"));
                assert!(fs::read_dir(folder).expect("a folder").count() > 1, "{source}");
            }
            None => assert!(tree(source).is_file(), "{source}"),
        }
    }
    for script in ["preinst", "postinst", "prerm", "postrm"] {
        let name = format!("deploy/debian/{script}");
        assert_eq!(fs::metadata(tree(&name)).expect("a script").permissions().mode() & 0o111, 0o111, "{name}");
        for path in read(&name).split_whitespace().filter(|word| word.starts_with("/usr/share/pool-poller/")) {
            assert!(installed.iter().any(|file| file == path), "{name} uses {path}");
        }
    }
    assert!(installed.contains(&"/usr/bin/pool-poller".to_owned()));
}
