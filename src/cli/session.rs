//! What the commands share: settings, pool files, the database, and how a command fails.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sea_orm::{ConnAcquireErr, DatabaseConnection, DbErr, RuntimeErr, SqlxError};

use super::output;
use crate::app::NoSummary;
use crate::pools::{self, PoolSpec};
use crate::settings::{Backend, EXIT_CONFIG, LoadOptions, Settings};
use crate::store::{self, SchemaState, takeover};
use crate::telemetry::{self, LevelSwitch};

/// Between two attempts to reach a database that is away.
const CONNECT_AGAIN: Duration = Duration::from_secs(1);

/// Pool files in the working directory.
pub(super) const POOLS_FOLDER: &str = "config/pools";

/// Why a command ended without success: one line and an exit code.
#[derive(Debug)]
pub struct Stop {
    code: u8,
    message: String,
}

impl Stop {
    /// The command could not do its work.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    /// The arguments do not say enough.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self { code: super::EXIT_USAGE, message: message.to_string() }
    }

    /// A setting, or what a setting points to, is wrong.
    pub fn config(message: impl fmt::Display) -> Self {
        Self { code: EXIT_CONFIG, message: message.to_string() }
    }

    /// An actor failed for good.
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self { code: super::EXIT_FATAL, message: message.to_string() }
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.code
    }
}

/// One line, whatever went into it.
impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

impl From<NoSummary> for Stop {
    fn from(why: NoSummary) -> Self {
        match why {
            NoSummary::Failed(fatal) => Self::fatal(format!("{}: {}", fatal.actor, fatal.reason)),
            NoSummary::Database(reason) => Self::failed(format!("{reason}; the next cycle reads the same counters again")),
        }
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

/// A command's settings and pools.
pub struct Session {
    /// The settings of this process.
    pub settings: Settings,
    /// Every pool, disabled ones included; none where they were not asked for.
    pub pools: Vec<PoolSpec>,
    /// How long a database that is away is waited for.
    pub database_wait: Duration,
}

impl Session {
    /// Reads the settings and the pool files.
    ///
    /// # Errors
    /// With exit code 78 and one line that names what is wrong.
    pub fn load(config: Option<PathBuf>) -> Result<Self, Stop> {
        let settings = Self::without_pools(config)?.settings;
        let mut folders = vec![PathBuf::from(POOLS_FOLDER)];
        folders.retain(|folder| folder.is_dir());
        folders.extend(settings.pools_dir.clone());
        Self::with_settings(settings, &folders)
    }

    /// Reads the settings alone: a pool file that somebody is editing is no reason not to look at the database.
    ///
    /// # Errors
    /// With exit code 78 and one line that names what is wrong.
    pub fn without_pools(config: Option<PathBuf>) -> Result<Self, Stop> {
        let settings = Settings::load(&LoadOptions::from_process(config)).map_err(Stop::config)?;
        Ok(Self { settings, pools: Vec::new(), database_wait: Duration::ZERO })
    }

    /// Reads the pool files of `folders` under settings that are there already.
    ///
    /// # Errors
    /// With exit code 78 and one line that names what is wrong.
    pub fn with_settings(settings: Settings, folders: &[PathBuf]) -> Result<Self, Stop> {
        let pools = load_pools(&settings, folders)?;
        let prefixes: Vec<String> = pools.iter().map(|pool| pool.name().env_prefix()).collect();
        if let Some(unused) = settings.unused_overrides_from_files(&prefixes).first() {
            return Err(Stop::config(unused));
        }
        Ok(Self { settings, pools, database_wait: Duration::ZERO })
    }

    /// Begins to log, and says what is odd about the settings. Answers what changes the level, where there was no log before.
    pub fn start_logging(&self) -> Option<LevelSwitch> {
        let switch = telemetry::init(self.settings.log_level, self.settings.log_format);
        if let Err(error) = &switch {
            output::complain(error);
        }
        self.settings.log_warnings();
        switch.ok()
    }

    /// Opens the database. One that is away is waited for as long as `database_wait` says.
    ///
    /// # Errors
    /// With exit code 78: the database is what `DATABASE_URL` says. With 1 after having waited in vain: it may be right.
    pub async fn connect(&self) -> Result<DatabaseConnection, Stop> {
        let url = &self.settings.database_url;
        let (began, mut is_awaited) = (Instant::now(), false);
        loop {
            let error = match store::connect(url.expose(), "pool-poller").await {
                Ok(db) => {
                    if is_awaited {
                        tracing::info!("database_back");
                    }
                    return Ok(db);
                }
                Err(error) => error,
            };
            let said = format!("DATABASE_URL is {url}: {}", reason(&error));
            if !store::is_away(&error) || self.database_wait.is_zero() {
                return Err(Stop::config(said));
            }
            if began.elapsed() >= self.database_wait {
                return Err(Stop::failed(format!("{said}; it was waited for {} s", self.database_wait.as_secs())));
            }
            if !is_awaited {
                tracing::error!(error = reason(&error), wait_seconds = self.database_wait.as_secs(), "database_unavailable");
                is_awaited = true;
            }
            tokio::time::sleep(CONNECT_AGAIN).await;
        }
    }

    /// Opens a database that must be there already: a look at a file that a mistyped name would make says nothing.
    ///
    /// # Errors
    /// With exit code 78, as [`Self::connect_migrated`], and when there is no such SQLite file.
    pub async fn connect_existing(&self) -> Result<DatabaseConnection, Stop> {
        if let Some(file) = self.settings.database_url.sqlite_file().filter(|file| !file.exists()) {
            return Err(Stop::config(format!("DATABASE_URL: there is no file {}", file.display())));
        }
        self.connect_migrated().await
    }

    /// Opens the database with all tables: on SQLite, or with `AUTO_MIGRATE`, they are made where they are missing. With
    /// `AUTO_MIGRATE`, and only then, the tables of the replaced service are taken over.
    ///
    /// # Errors
    /// With exit code 78, when the schema is not this program's and must not be changed without being asked.
    pub async fn connect_migrated(&self) -> Result<DatabaseConnection, Stop> {
        let db = self.connect().await?;
        let by_itself = self.settings.auto_migrate || self.settings.database_url.backend() == Backend::Sqlite;
        match store::schema_state(&db).await.map_err(|error| Stop::config(format!("DATABASE_URL: {}", reason(&error))))? {
            SchemaState::Current => Ok(db),
            SchemaState::Empty | SchemaState::Behind(_) if by_itself => {
                store::migrate(&db)
                    .await
                    .map_err(|error| Stop::failed(format!("the migration failed, nothing was changed: {}", reason(&error))))?;
                Ok(db)
            }
            // Never without being asked, on SQLite either: the other service may still be running.
            SchemaState::Original if self.settings.auto_migrate => {
                match takeover::take_over(&db, self.settings.rates(), store::now_utc()).await {
                    Ok(Some(report)) => super::migrate::log(&report),
                    Ok(None) => {}
                    Err(error) => return Err(super::migrate::refused(&error)),
                }
                Ok(db)
            }
            state => Err(Stop::config(explain(&state))),
        }
    }
}

/// Why a schema cannot be used as it is, and what to do.
pub(super) fn explain(state: &SchemaState) -> String {
    match state {
        SchemaState::Current => "the tables are up to date".to_owned(),
        SchemaState::Empty => {
            "the database has no tables; make them with `pool-poller migrate`, or set AUTO_MIGRATE=true".to_owned()
        }
        SchemaState::Behind(missing) => format!(
            "the database's tables are of an older version ({} missing); update them with `pool-poller migrate`, or set AUTO_MIGRATE=true",
            missing.join(", ")
        ),
        SchemaState::Original => {
            "the database's tables were made by the service that pool-poller replaces; stop that service, see what would be done with \
             `pool-poller migrate --status`, and take them over with `pool-poller migrate`, or set AUTO_MIGRATE=true"
                .to_owned()
        }
        SchemaState::Foreign(unexpected) => format!(
            "the database has tables by our names that pool-poller did not make; it is left alone, and is not the replaced service's \
             either: {unexpected}. Use a database, or on PostgreSQL a schema, of its own"
        ),
        SchemaState::Ahead(unknown) => {
            format!("the database's tables are of a newer version of pool-poller ({}); use that version", unknown.join(", "))
        }
    }
}

/// A database error for a person: the cause, in one line, without the layers around it.
pub(super) fn reason(error: &DbErr) -> String {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(source))
        | DbErr::Exec(RuntimeErr::SqlxError(source))
        | DbErr::Query(RuntimeErr::SqlxError(source)) => match source.as_ref() {
            SqlxError::Database(database) => format!("{}{}", database.message(), store::advice(error)),
            SqlxError::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => format!("{error}; {IS_IT_THERE}"),
            SqlxError::Io(error) => error.to_string(),
            SqlxError::PoolTimedOut => NO_CONNECTION.to_owned(),
            other => other.to_string(),
        },
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => NO_CONNECTION.to_owned(),
        DbErr::Conn(RuntimeErr::Internal(what)) => format!("{what}; {IS_IT_THERE}"),
        other => other.to_string(),
    }
}

/// What to ask oneself about a database that refuses connections or is silent.
const IS_IT_THERE: &str = "is it running, and are host and port right?";
/// The driver tries again until its time is over and does not say why. One that was not there was noticed before.
const NO_CONNECTION: &str =
    "the database gave no connection in time; is it still running, and may this user have five at a time?";

fn load_pools(settings: &Settings, folders: &[PathBuf]) -> Result<Vec<PoolSpec>, Stop> {
    let overrides = |prefix: &str| {
        let found = settings.pool_override(prefix).map_err(|error| error.to_string())?;
        Ok((found.enabled, found.url))
    };
    pools::load(folders, &overrides).map_err(Stop::config)
}
