//! Finds the pools: the files compiled in, the files of the pool directories, and the environment's overrides.
//!
//! A file replaces an earlier one of the same pool name as a whole; nothing is merged. A file that cannot be used stops
//! the start: a pool that is silently not polled would be noticed by players first.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::spec::PoolSpec;
use super::spec_error::SpecError;
use super::template::TemplateError;
use crate::domain::PoolName;

/// A file that is compiled in, by the name it has in the source tree.
macro_rules! built_in {
    ($path:literal) => {
        ($path, include_str!(concat!("../../", $path)))
    };
}

/// The files compiled in: the pools of the mission, then the ready ones of other families, which are off until an operator
/// enables them.
const BUILT_IN: [(&str, &str); 15] = [
    built_in!("config/pools/cpu-pool.toml"),
    built_in!("config/pools/rplant.toml"),
    built_in!("config/pools/zpool.toml"),
    built_in!("config/pools/ready/miningcore.toml"),
    built_in!("config/pools/ready/cryptonote.toml"),
    built_in!("config/pools/ready/nodejs-pool.toml"),
    built_in!("config/pools/ready/open-ethereum-pool.toml"),
    built_in!("config/pools/ready/zergpool.toml"),
    built_in!("config/pools/ready/woolypooly.toml"),
    built_in!("config/pools/ready/nanopool.toml"),
    built_in!("config/pools/ready/unmineable.toml"),
    built_in!("config/pools/ready/k1pool.toml"),
    built_in!("config/pools/ready/mpos.toml"),
    built_in!("config/pools/ready/nomp-payments.toml"),
    built_in!("config/pools/ready/miningcore-payments.toml"),
];

/// Prefixes of the program's own settings: a pool named `database` would be overridden by `DATABASE_URL`.
const RESERVED_PREFIXES: [&str; 2] = ["DATABASE", "SOCKETIO"];

/// What the environment says about one pool: `<PREFIX>_ENABLED` and `<PREFIX>_URL`, or why they cannot be read.
pub type Overrides<'a> = dyn Fn(&str) -> Result<(Option<bool>, Option<String>), String> + 'a;

/// Why the pools cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A directory or file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The directory or file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// A file is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Two files of one directory describe the same pool.
    #[error("{second}: pool {name} is in {first} already")]
    Twice {
        /// The pool.
        name: PoolName,
        /// The file that was read first.
        first: String,
        /// The file that repeats it.
        second: String,
    },
    /// Two pools would share their environment variables.
    #[error("pools {first} and {second} would share the environment variables {prefix}_URL and {prefix}_ENABLED")]
    PrefixTwice {
        /// A pool.
        first: PoolName,
        /// Another one.
        second: PoolName,
        /// What they share.
        prefix: String,
    },
    /// A pool's environment variable is a setting of the program.
    #[error("{origin}: pool name {name} is not allowed: {prefix}_URL is a setting of its own")]
    PrefixReserved {
        /// The pool.
        name: PoolName,
        /// Its file.
        origin: String,
        /// The prefix.
        prefix: String,
    },
    /// The environment's values for a pool cannot be read.
    #[error("{0}")]
    Override(String),
    /// A pool is enabled whose file knows no address of it.
    #[error("{origin}: pool {name} is enabled and has no address yet: set {variable}")]
    NoAddress {
        /// The pool.
        name: PoolName,
        /// Its file.
        origin: String,
        /// The environment variable that takes the address.
        variable: String,
    },
    /// `<PREFIX>_URL` is no usable URL. The value is shown up to its query, which may hold a key.
    #[error("{variable}={shown}: {error}")]
    Url {
        /// The environment variable.
        variable: String,
        /// The harmless part of its value.
        shown: String,
        /// What is wrong with it.
        error: TemplateError,
    },
}

/// All pools, sorted by name, the disabled ones included.
///
/// `pools_dirs` are read in order, their `*.toml` files in the order of their names; each must exist. `overrides` is
/// asked once for each pool with its prefix (`CPU_POOL`).
///
/// # Errors
/// When anything cannot be read or used, naming the file and line or the variable.
pub fn load(pools_dirs: &[PathBuf], overrides: &Overrides<'_>) -> Result<Vec<PoolSpec>, RegistryError> {
    let mut pools = BTreeMap::new();
    for (origin, text) in BUILT_IN {
        let spec = PoolSpec::parse(text, origin)?;
        pools.insert(spec.name().clone(), spec);
    }
    for dir in pools_dirs {
        pools.extend(read_dir(dir)?);
    }
    let mut prefixes: BTreeMap<String, PoolName> = BTreeMap::new();
    for (name, spec) in &pools {
        let prefix = name.env_prefix();
        if RESERVED_PREFIXES.contains(&prefix.as_str()) {
            return Err(RegistryError::PrefixReserved { name: name.clone(), origin: spec.origin().to_owned(), prefix });
        }
        if let Some(first) = prefixes.insert(prefix.clone(), name.clone()) {
            return Err(RegistryError::PrefixTwice { first, second: name.clone(), prefix });
        }
    }
    pools.into_values().map(|spec| apply(spec, overrides)).collect()
}

/// The pools of one directory.
fn read_dir(dir: &Path) -> Result<BTreeMap<PoolName, PoolSpec>, RegistryError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        |error| RegistryError::Unreadable { path, error }
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable(dir))? {
        let path = entry.map_err(unreadable(dir))?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut pools: BTreeMap<PoolName, PoolSpec> = BTreeMap::new();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
        let spec = PoolSpec::parse(&text, &path.display().to_string())?;
        let (name, second) = (spec.name().clone(), spec.origin().to_owned());
        if let Some(first) = pools.insert(name.clone(), spec) {
            return Err(RegistryError::Twice { name, first: first.origin, second });
        }
    }
    Ok(pools)
}

fn apply(spec: PoolSpec, overrides: &Overrides<'_>) -> Result<PoolSpec, RegistryError> {
    let prefix = spec.name().env_prefix();
    let (enabled, url) = overrides(&prefix).map_err(RegistryError::Override)?;
    let spec = match enabled {
        Some(enabled) => spec.with_enabled(enabled),
        None => spec,
    };
    let Some(url) = url else {
        // It would be polled in vain for ever, and each attempt would be logged as a fault of the network.
        return if spec.enabled() && spec.url().is_placeholder() {
            let (name, origin) = (spec.name().clone(), spec.origin().to_owned());
            Err(RegistryError::NoAddress { name, origin, variable: format!("{prefix}_URL") })
        } else {
            Ok(spec)
        };
    };
    let wrong = |error| RegistryError::Url { variable: format!("{prefix}_URL"), shown: harmless(&url), error };
    spec.with_url(&url).map_err(wrong)
}

/// A URL without what may be secret: its query, and all of it where it holds a user name.
fn harmless(url: &str) -> String {
    match url.split_once('?') {
        _ if url.contains('@') => "…".to_owned(),
        Some((before, _)) => format!("{before}?…"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pools: &[PoolSpec]) -> Vec<&str> {
        pools.iter().map(|spec| spec.name().as_str()).collect()
    }

    fn file(dir: &Path, file: &str, name: &str) {
        let text =
            format!("name = \"{name}\"\nurl = \"http://{name}/{{wallet}}\"\npaid.pointer = \"/p\"\ncurrency.constant = \"A\"");
        fs::write(dir.join(file), text).unwrap();
    }

    fn load_plain(dirs: &[PathBuf]) -> Result<Vec<PoolSpec>, RegistryError> {
        load(dirs, &|_| Ok((None, None)))
    }

    #[test]
    fn the_pools_of_the_mission_are_compiled_in() {
        let mut pools = load_plain(&[]).unwrap();
        pools.retain(PoolSpec::enabled);
        assert_eq!(names(&pools), ["cpu-pool", "rplant", "zpool"]);
        let urls: Vec<String> = pools.iter().map(|spec| spec.url().to_string()).collect();
        assert_eq!(
            urls,
            [
                "http://cpu-pool.com/api/worker_stats?{wallet}",
                "https://pool.rplant.xyz/api/walletEx/advc/{wallet}",
                "https://zpool.ca/api/walletEx?address={wallet}",
            ]
        );
    }

    #[test]
    fn the_ready_pools_are_there_and_off() {
        let all = load_plain(&[]).unwrap();
        let ready: Vec<&PoolSpec> = all.iter().filter(|spec| spec.origin().contains("/ready/")).collect();
        assert_eq!(ready.len(), BUILT_IN.len() - 3);
        for spec in ready {
            assert!(!spec.enabled(), "{}", spec.name());
            assert_eq!(spec.origin(), format!("config/pools/ready/{}.toml", spec.name()));
        }
    }

    #[test]
    fn a_pool_without_an_address_cannot_be_enabled() {
        let with = |url: Option<&'static str>| {
            load(&[], &|prefix| Ok(if prefix == "MININGCORE" { (Some(true), url.map(str::to_owned)) } else { (None, None) }))
        };
        assert_eq!(
            with(None).unwrap_err().to_string(),
            "config/pools/ready/miningcore.toml: pool miningcore is enabled and has no address yet: set MININGCORE_URL"
        );
        let pools = with(Some("https://pool.example/api/pools/advc1")).unwrap();
        let miningcore = pools.iter().find(|spec| spec.name().as_str() == "miningcore").unwrap();
        assert_eq!(miningcore.url().to_string(), "https://pool.example/api/pools/advc1/miners/{wallet}");
        assert!(miningcore.enabled());
    }

    #[test]
    fn no_built_in_counter_is_a_window() {
        for (_, text) in BUILT_IN {
            let value: toml::Value = toml::from_str(text).unwrap();
            let Some(paid) = value.get("paid").map(ToString::to_string) else {
                assert!(value.get("feed").is_some());
                continue;
            };
            assert!(!paid.contains("24h") && !paid.contains("today"), "{paid}");
            // Of the yiimp family, where it is unpaid + paid24h.
            let is_yiimp = value.get("name").unwrap().as_str().is_some_and(|name| ["zpool", "zergpool"].contains(&name));
            assert!(!is_yiimp || !paid.contains("\"/total\""), "{paid}");
        }
    }

    #[test]
    fn the_urls_of_the_original_settings_still_work() {
        let urls = load(&[], &|prefix| {
            let url = match prefix {
                "CPU_POOL" => "http://cpu-pool.com/api/worker_stats",
                "RPLANT" => "https://pool.rplant.xyz/api/walletEx/advc",
                "ZPOOL" => "https://zpool.ca/api/walletEx",
                _ => return Ok((None, None)),
            };
            Ok((Some(prefix != "ZPOOL"), Some(url.to_owned())))
        });
        let urls = urls.unwrap();
        for (before, after) in load_plain(&[]).unwrap().iter().zip(&urls) {
            assert_eq!(before.url(), after.url());
            assert_eq!(after.enabled(), before.enabled() && after.name().as_str() != "zpool");
        }
    }

    #[test]
    fn files_add_pools_and_later_directories_replace_them() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        file(first.path(), "b.toml", "newpool");
        file(first.path(), "a.toml", "zpool");
        file(second.path(), "c.toml", "newpool");
        fs::write(second.path().join("notes.txt"), "not a pool").unwrap();
        fs::write(second.path().join(".#x.toml"), "an editor's").unwrap();
        let pools = load_plain(&[first.path().to_owned(), second.path().to_owned()]).unwrap();
        let enabled: Vec<&PoolSpec> = pools.iter().filter(|spec| spec.enabled()).collect();
        assert_eq!(
            enabled.iter().map(|spec| spec.name().as_str()).collect::<Vec<_>>(),
            ["cpu-pool", "newpool", "rplant", "zpool"]
        );
        assert!(enabled[1].origin().ends_with("c.toml"), "{}", enabled[1].origin());
        assert_eq!(enabled[3].url().to_string(), "http://zpool/{wallet}");
    }

    #[test]
    fn what_cannot_be_used_stops_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = [dir.path().to_owned()];
        let error = |dirs: &[PathBuf]| load_plain(dirs).unwrap_err().to_string();
        assert!(error(&[dir.path().join("none")]).contains("none: "));
        file(dir.path(), "a.toml", "x");
        file(dir.path(), "b.toml", "x");
        assert!(error(&dirs).contains("b.toml: pool x is in ") && error(&dirs).contains("a.toml already"));
        file(dir.path(), "b.toml", "cpu_pool");
        assert!(error(&dirs).contains("CPU_POOL_URL"), "{}", error(&dirs));
        file(dir.path(), "b.toml", "database");
        assert!(error(&dirs).contains("DATABASE_URL is a setting"), "{}", error(&dirs));
        fs::write(dir.path().join("b.toml"), "name = \"y\"\nurl = 5\n").unwrap();
        assert!(error(&dirs).contains("b.toml:2: url: "), "{}", error(&dirs));
        fs::write(dir.path().join("b.toml"), [0xff]).unwrap();
        assert!(error(&dirs).contains("b.toml: "), "{}", error(&dirs));
    }

    #[test]
    fn a_bad_url_setting_is_named_and_its_query_is_not_shown() {
        let error = |url: &'static str| {
            load(&[], &|prefix| Ok((None, (prefix == "RPLANT").then(|| url.to_owned())))).unwrap_err().to_string()
        };
        assert_eq!(error("ftp://h/{wallet}?key=hush"), "RPLANT_URL=ftp://h/{wallet}?…: must begin with http:// or https://");
        assert!(error("http://me:hush@h/").starts_with("RPLANT_URL=…: "));
        assert!(!error("http://h/?hush={wallet}#").contains("hush"));
        let error = load(&[], &|prefix| Err(format!("{prefix}_ENABLED=maybe: must be true or false"))).unwrap_err();
        assert_eq!(error.to_string(), "CPU_POOL_ENABLED=maybe: must be true or false");
    }
}
