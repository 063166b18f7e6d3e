//! Putting the layers together: compiled-in defaults, a TOML file, `.env`, the environment.
//!
//! Promises: every value stays the literal text that was written, and keeps the place it came from; a TOML file with an
//! unknown key is refused, a foreign variable of the environment is ignored. Leaves to others: what a value may be.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::dotenv;
use super::error::{Origin, SettingsError};
use super::keys::{self, FILE_SUFFIX, Meaning, is_upper, meaning};
use super::secrets::Variable;
use super::value_file;
use super::warnings::SettingWarning;

/// Read when no other file is named, if it is there.
pub const SYSTEM_CONFIG_FILE: &str = "/etc/pool-poller/config.toml";
/// The lowest layer.
const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Where settings are looked for. Everything is an argument, so that a test needs no change to the process.
#[derive(Clone)]
pub struct LoadOptions {
    /// The file named on the command line; it must be there.
    pub config_file: Option<PathBuf>,
    /// The file read when none is named; it may be absent.
    pub system_config_file: PathBuf,
    /// Where `.env` is, and where relative paths begin.
    pub working_directory: PathBuf,
    /// Names and values of the environment.
    pub environment: Vec<(OsString, OsString)>,
}

impl LoadOptions {
    /// What a process looks at: the system's file, its working directory and its environment.
    #[must_use]
    pub fn from_process(config_file: Option<PathBuf>) -> Self {
        Self {
            config_file,
            system_config_file: SYSTEM_CONFIG_FILE.into(),
            // An empty path joined with a file name is the file in the working directory.
            working_directory: PathBuf::new(),
            environment: std::env::vars_os().collect(),
        }
    }
}

/// One value before it is understood.
#[derive(Clone)]
pub(super) struct Raw {
    /// The literal text.
    pub(super) text: String,
    /// Where it was written.
    pub(super) origin: Origin,
}

/// All layers put together.
#[derive(Clone)]
pub(super) struct Values {
    /// Values by their names in upper case.
    pub(super) values: BTreeMap<String, Raw>,
    /// The keys in TOML files that only the list of pools can explain, in lower case.
    pub(super) file_overrides: Vec<(String, Origin)>,
    /// Every well-named variable of `.env` and the environment, because a pool's file may ask for it as a secret.
    pub(super) variables: BTreeMap<String, Variable>,
    /// The files of settings that were there.
    pub(super) files: Vec<PathBuf>,
    /// Where relative paths begin.
    pub(super) working_directory: PathBuf,
    /// What looked odd while reading.
    pub(super) warnings: Vec<SettingWarning>,
}

/// One layer: literal texts under lower-case names.
struct Layer {
    origin: Origin,
    values: BTreeMap<String, String>,
    /// The names whose text is that of a file with the value in it.
    in_files: BTreeSet<String>,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = self.values.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect();
        Ok(Profile::Default.collect(dict))
    }
}

impl Layer {
    /// The layer with each `<name>_file` as the `<name>` that it stands for. One that is empty is as good as absent.
    fn new(origin: Origin, mut values: BTreeMap<String, String>) -> Result<Self, SettingsError> {
        let mut in_files = BTreeSet::new();
        for key in keys::KEYS.iter().filter(|key| key.may_be_in_a_file()) {
            let name = key.name.to_ascii_lowercase();
            let file = values.remove(&format!("{name}{}", FILE_SUFFIX.to_ascii_lowercase()));
            let Some(file) = file.filter(|file| !file.is_empty()) else { continue };
            if values.get(&name).is_some_and(|value| !value.is_empty()) {
                return Err(SettingsError::GivenTwice { name: key.name.to_owned(), origin });
            }
            values.insert(name.clone(), file);
            in_files.insert(name);
        }
        Ok(Self { origin, values, in_files })
    }
}

impl Values {
    /// Reads and merges all layers.
    pub(super) fn read(options: &LoadOptions) -> Result<Self, SettingsError> {
        let (mut layers, mut files) = (vec![toml_layer(DEFAULTS, Origin::Default)?], Vec::new());
        if let Some((text, path)) = config_file(options)? {
            files.push(path.clone());
            layers.push(toml_layer(&text, Origin::File(path))?);
        }
        let file_overrides = layers.iter().flat_map(overrides_of).collect();
        let mut variables = BTreeMap::new();
        let mut warnings = Vec::new();
        let dotenv_path = options.working_directory.join(".env");
        if let Some(text) = read_if_there(&dotenv_path, &Origin::DotEnv(dotenv_path.clone()))? {
            files.push(dotenv_path.clone());
            let origin = Origin::DotEnv(dotenv_path);
            let pairs = dotenv::parse(&text, &origin)?;
            warnings.extend(pairs.iter().filter_map(|(name, _)| misspelled(name, &origin)));
            layers.push(variable_layer(pairs, origin, &mut variables)?);
        }
        let pairs = environment(&options.environment)?;
        warnings.extend(
            pairs.iter().filter(|(name, _)| is_upper(name)).filter_map(|(name, _)| misspelled(name, &Origin::Environment)),
        );
        layers.push(variable_layer(pairs, Origin::Environment, &mut variables)?);
        let working_directory = options.working_directory.clone();
        let values = merge(&layers, &working_directory)?;
        Ok(Self { values, file_overrides, variables, files, working_directory, warnings })
    }
}

/// Lets figment put the layers over each other, and then reads the files that are left to be read.
fn merge(layers: &[Layer], working_directory: &Path) -> Result<BTreeMap<String, Raw>, SettingsError> {
    let figment = layers.iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
    let fault = |reason: String| SettingsError::Merge { reason };
    let mut data = figment.data().map_err(|error| fault(error.to_string()))?;
    let mut values = BTreeMap::new();
    for (name, value) in data.remove(&Profile::Default).unwrap_or_default() {
        let layer_name = figment.get_metadata(value.tag()).map(|metadata| metadata.name.as_ref());
        let layer = layers.iter().find(|layer| Some(layer.origin.to_string().as_str()) == layer_name);
        let (Some(layer), Some(text)) = (layer, value.as_str()) else {
            return Err(fault(format!("{name} has lost its origin")));
        };
        let upper = name.to_ascii_uppercase();
        let raw = if layer.in_files.contains(&name) {
            let (variable, path) = (format!("{upper}{FILE_SUFFIX}"), working_directory.join(text));
            Raw { text: value_file::read(&variable, &path)?, origin: Origin::ValueFile { variable, path } }
        } else {
            Raw { text: text.to_owned(), origin: layer.origin.clone() }
        };
        values.insert(upper, raw);
    }
    Ok(values)
}

/// The text and path of the TOML file that is to be read, if any.
fn config_file(options: &LoadOptions) -> Result<Option<(String, PathBuf)>, SettingsError> {
    let (path, must_be_there) = match &options.config_file {
        Some(path) => (options.working_directory.join(path), true),
        None => (options.system_config_file.clone(), false),
    };
    let origin = Origin::File(path.clone());
    match read_if_there(&path, &origin)? {
        Some(text) => Ok(Some((text, path))),
        None if must_be_there => Err(SettingsError::Unreadable { origin, reason: "there is no such file".to_owned() }),
        None => Ok(None),
    }
}

/// A file's text, or `None` when there is no such file.
fn read_if_there(path: &Path, origin: &Origin) -> Result<Option<String>, SettingsError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SettingsError::Unreadable { origin: origin.clone(), reason: error.to_string() }),
    }
}

/// Reads a TOML file's text into literal texts.
fn toml_layer(text: &str, origin: Origin) -> Result<Layer, SettingsError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| malformed(text, &error, &origin))?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let name = key.to_ascii_uppercase();
        if meaning(&name).is_none() || key != name.to_ascii_lowercase() {
            let hint = meaning(&name).map(|_| format!("keys in a file are lower case, {:?}", name.to_ascii_lowercase()));
            return Err(SettingsError::UnknownKey { key, origin, hint });
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            // It has been through a binary float by now, so its digits are no longer those that were written.
            toml::Value::Float(_) => return Err(wrong_type(&name, "a decimal number without quotes", &origin)),
            toml::Value::Datetime(_) => return Err(wrong_type(&name, "a date", &origin)),
            toml::Value::Array(_) => return Err(wrong_type(&name, "a list", &origin)),
            toml::Value::Table(_) => return Err(wrong_type(&name, "a table", &origin)),
        };
        values.insert(key, text);
    }
    Layer::new(origin, values)
}

/// The error about a TOML value of a type that no setting has.
fn wrong_type(name: &str, what: &str, origin: &Origin) -> SettingsError {
    SettingsError::Invalid {
        name: name.to_owned(),
        value: what.to_owned(),
        origin: origin.clone(),
        allowed: "text in quotes (decimal numbers too, as in \"0.0001\"), a whole number, true or false".to_owned(),
    }
}

/// The error about a text that is no TOML. Only the parser's message is shown, never the line, which may hold a password.
fn malformed(text: &str, error: &toml::de::Error, origin: &Origin) -> SettingsError {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
    let reason = error.message().lines().collect::<Vec<_>>().join(", ");
    SettingsError::Malformed { origin: origin.clone(), line, reason }
}

/// The keys of a TOML layer that only the list of pools can explain.
fn overrides_of(layer: &Layer) -> Vec<(String, Origin)> {
    let is_override = |key: &&String| meaning(&key.to_ascii_uppercase()) == Some(Meaning::Override);
    layer.values.keys().filter(is_override).map(|key| (key.clone(), layer.origin.clone())).collect()
}

/// Takes what is ours from variables, and remembers all of them in case a pool's file asks for one.
fn variable_layer(
    pairs: Vec<(String, String)>,
    origin: Origin,
    variables: &mut BTreeMap<String, Variable>,
) -> Result<Layer, SettingsError> {
    let mut values = BTreeMap::new();
    for (name, value) in pairs {
        if !is_upper(&name) {
            continue;
        }
        if meaning(&name).is_some() {
            values.insert(name.to_ascii_lowercase(), value.clone());
        }
        variables.insert(name, Variable { value: value.into(), origin: origin.clone() });
    }
    Layer::new(origin, values)
}

/// The environment as text. A variable that is surely ours must be UTF-8; of another the broken bytes are replaced, and
/// the value is refused when a pool of that name exists.
fn environment(pairs: &[(OsString, OsString)]) -> Result<Vec<(String, String)>, SettingsError> {
    let mut texts = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let Some(name) = name.to_str() else { continue };
        let is_ours = matches!(meaning(name), Some(Meaning::Fixed(_) | Meaning::FileOf(_) | Meaning::Rate(_)));
        if is_ours && value.to_str().is_none() {
            return Err(SettingsError::Invalid {
                name: name.to_owned(),
                value: "not UTF-8".to_owned(),
                origin: Origin::Environment,
                allowed: "UTF-8 text".to_owned(),
            });
        }
        texts.push((name.to_owned(), value.to_string_lossy().into_owned()));
    }
    Ok(texts)
}

/// Letters by which a name may differ from that of a setting to be taken for a slip.
const SLIP_MAX: usize = 2;

/// A warning about a name that is one of ours but for its case, or nearly one.
fn misspelled(name: &str, origin: &Origin) -> Option<SettingWarning> {
    let upper = name.to_ascii_uppercase();
    if let Some(key) = keys::KEYS.iter().find(|key| name != upper && key.name == upper) {
        let message = format!("{name} in {origin} is ignored, because the name is written in upper case: {}", key.name);
        return Some(SettingWarning { name: key.name, message });
    }
    if meaning(&upper).is_some() {
        return None;
    }
    let key = keys::KEYS.iter().find(|key| strsim::osa_distance(&upper, key.name) <= SLIP_MAX)?;
    let message = format!("{name} ({origin}) is no setting and is ignored; is {} meant?", key.name);
    Some(SettingWarning { name: key.name, message })
}
