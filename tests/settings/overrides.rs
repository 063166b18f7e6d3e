//! The settings of pools, among the variables of other programs.

use crate::{Place, one_line};

#[test]
fn foreign_variables_never_stop_the_start() {
    let place = Place::new().dotenv("FOO_URL=ftp://x\nGAME_PORT=x\nflask_env=y\n");
    let place =
        place.env("FOO_ENABLED", "maybe").env("REDIS_URL", "redis://:hunter2@x").env("PATH", "/bin").env("log_level", "x");
    let settings = place.load().unwrap();
    assert!(settings.warnings().is_empty());
    assert!(!format!("{:?}", settings.describe()).contains("REDIS"));
}

#[test]
fn overrides_are_checked_for_the_pools_that_exist() {
    let place = Place::new().config("cpu_pool_enabled = false\nzpool_url = \"https://file.example\"");
    let place = place
        .env("ZPOOL_URL", "https://z.example/{wallet}?k=hunter2")
        .env("RPLANT_ENABLED", "perhaps")
        .env("NEWPOOL_URL", "ftp://x");
    let settings = place.load().unwrap();
    let pool = |prefix: &str| settings.pool_override(prefix);
    assert_eq!(pool("CPU_POOL").unwrap().enabled, Some(false));
    assert_eq!(pool("CPU_POOL").unwrap().url, None);
    assert_eq!(pool("ZPOOL").unwrap().url.as_deref(), Some("https://z.example/{wallet}?k=hunter2"));
    assert!(!format!("{:?}", pool("ZPOOL")).contains("hunter2"));
    assert_eq!(pool("DATABASE").unwrap(), Default::default());
    assert!(one_line(&pool("RPLANT").unwrap_err()).starts_with("RPLANT_ENABLED is \"perhaps\" (environment): it must be true"));
    assert!(
        one_line(&pool("NEWPOOL").unwrap_err()).starts_with("NEWPOOL_URL is \"ftp://x\" (environment): it must be an http://")
    );
    let lines = settings.describe_override("ZPOOL");
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].name.as_str(), lines[0].value.as_str()), ("ZPOOL_URL", "https://z.example/{wallet}?k=***"));
}

#[test]
fn an_override_in_a_file_must_belong_to_a_pool() {
    let place = Place::new().config("cpu_pool_enabled = false\nzpol_url = \"https://x.example\"").dotenv("OTHER_URL=x");
    let settings = place.env("ZPOL_URL", "https://y.example").load().unwrap();
    let unused = settings.unused_overrides_from_files(&["CPU_POOL", "ZPOOL"]);
    assert_eq!(unused.len(), 1);
    let line = one_line(&unused[0]);
    assert!(line.contains("unknown setting \"zpol_url\" in ") && line.contains("my.toml"), "{line}");
    assert!(settings.unused_overrides_from_files(&["CPU_POOL", "ZPOL"]).is_empty());
}
