//! Values in files of their own.

use pool_poller::settings::{KEYS, Settings};
use secrecy::ExposeSecret;

use crate::{Place, one_line, with};

/// A value of each setting that may be in a file, and how the program shows that it has it.
const VALUES: [(&str, &str); 5] = [
    ("DATABASE_URL", "postgresql://m2p:hunter2@db/m2p"),
    ("SOCKETIO_URL", "wss://game.example/?token=hunter2"),
    ("SOCKETIO_AUTH_TOKEN", "hunter2"),
    ("NOTIFY_SIGNING_SECRET", "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg=="),
    ("NOTIFY_WEBHOOK_URL", "https://game.example/?token=hunter2"),
];

fn shown(settings: &Settings, name: &str) -> (String, String) {
    let line = settings.describe().into_iter().find(|line| line.name == name).unwrap();
    (line.value, line.origin.to_string())
}

#[test]
fn each_value_that_may_be_secret_is_read_from_the_file_that_its_variable_names() {
    let names: Vec<&str> = KEYS.iter().filter(|key| key.may_be_in_a_file()).map(|key| key.name).collect();
    assert_eq!(names, VALUES.map(|(name, _)| name));
    for (name, value) in VALUES {
        // A webhook is not taken without a signature.
        let place = if name == "NOTIFY_WEBHOOK_URL" { with(VALUES[3].0, VALUES[3].1) } else { Place::new() };
        let place = place.write("value", &format!("{value}\n"));
        let path = place.directory.path().join("value").display().to_string();
        let settings = place.env(&format!("{name}_FILE"), &path).load().unwrap();
        let (value_shown, from) = shown(&settings, name);
        assert_eq!(from, format!("{name}_FILE={path}"));
        assert!(!value_shown.is_empty() && !format!("{settings:?}").contains("hunter2"), "{name} is {value_shown}");
    }
}

#[test]
fn nothing_but_one_line_end_is_taken_away() {
    for (text, value) in [("t", "t"), ("t\n", "t"), ("t\r\n", "t"), (" t ", " t "), ("t#'$\"\\", "t#'$\"\\")] {
        let place = Place::new().write("token", text).env("SOCKETIO_AUTH_TOKEN_FILE", "token");
        assert_eq!(place.load().unwrap().socketio_auth_token.unwrap().expose_secret(), value, "{text:?}");
    }
    let error = Place::new().write("token", "hunter2\n\n").env("SOCKETIO_AUTH_TOKEN_FILE", "token").error();
    assert!(error.starts_with("SOCKETIO_AUTH_TOKEN is *** (SOCKETIO_AUTH_TOKEN_FILE=") && error.contains("control"), "{error}");
}

#[test]
fn a_file_is_a_layers_value_like_any_other() {
    let token = |place: Place| place.load().unwrap().socketio_auth_token.map(|token| token.expose_secret().to_owned());
    let place = || Place::new().write("token", "from the file");
    let (variable, file) = ("SOCKETIO_AUTH_TOKEN", "SOCKETIO_AUTH_TOKEN_FILE");
    let from_file = Some("from the file".to_owned());
    assert_eq!(token(place().config("socketio_auth_token_file = \"token\"")), from_file);
    assert_eq!(token(place().dotenv(&format!("{variable}=below")).env(file, "token")), from_file);
    assert_eq!(token(place().dotenv(&format!("{file}=token")).env(variable, "above")), Some("above".to_owned()));
    assert_eq!(token(place().dotenv(&format!("{file}=token")).env(variable, "")), None, "taken back");
    assert_eq!(token(place().env(file, "").env(variable, "t")), Some("t".to_owned()), "an empty name is none");
    assert_eq!(token(place().env(file, "token").env(variable, "")), from_file, "an empty value is none");
    // One that does not count is not read.
    assert_eq!(token(place().dotenv(&format!("{file}=not-there")).env(variable, "above")), Some("above".to_owned()));
}

#[test]
fn a_value_and_its_file_in_one_layer_are_refused() {
    let refusal =
        |origin: &str| format!("SOCKETIO_AUTH_TOKEN and SOCKETIO_AUTH_TOKEN_FILE are both set ({origin}): leave one of them out");
    let place = with("SOCKETIO_AUTH_TOKEN", "hunter2").env("SOCKETIO_AUTH_TOKEN_FILE", "token");
    assert_eq!(place.error(), refusal("environment"));
    let place = Place::new().dotenv("SOCKETIO_AUTH_TOKEN=hunter2\nSOCKETIO_AUTH_TOKEN_FILE=token");
    assert_eq!(place.error(), refusal(&place.directory.path().join(".env").display().to_string()));
    let place = Place::new().config("socketio_auth_token = \"hunter2\"\nsocketio_auth_token_file = \"token\"");
    assert_eq!(place.error(), refusal(&place.directory.path().join("my.toml").display().to_string()));
}

#[test]
fn a_file_that_cannot_be_used_is_named_and_not_shown() {
    let place = || Place::new().env("DATABASE_URL_FILE", "url");
    let path = |place: &Place| place.directory.path().join("url").display().to_string();
    let missing = place();
    let error = missing.error();
    assert!(
        error.starts_with(&format!("DATABASE_URL_FILE names {}, which cannot be read: No such file", path(&missing))),
        "{error}"
    );
    for text in ["", "\n", "\r\n"] {
        let empty = place().write("url", text);
        assert_eq!(empty.error(), format!("DATABASE_URL_FILE names {}, which is empty", path(&empty)));
    }
    let folder = place();
    std::fs::create_dir(folder.directory.path().join("url")).unwrap();
    assert!(folder.error().contains("cannot be read: Is a directory"), "{}", folder.error());
    let binary = place();
    std::fs::write(path(&binary), b"hunter2\xFF").unwrap();
    assert_eq!(binary.error(), format!("DATABASE_URL_FILE names {}, which is not UTF-8 text", path(&binary)));
    let endless = Place::new().env("DATABASE_URL_FILE", "/dev/zero");
    assert_eq!(endless.error(), "DATABASE_URL_FILE names /dev/zero, which holds more than 65536 bytes");
    let wrong = place().write("url", "mysql://m2p:hunter2@db/m2p");
    let error = wrong.error();
    let begins = format!("DATABASE_URL is \"mysql://***:***@db/m2p\" (DATABASE_URL_FILE={})", path(&wrong));
    assert!(error.starts_with(&begins), "{error}");
}

#[test]
fn a_pools_secret_may_be_in_a_file_too() {
    let secret = |place: &Place| place.load().unwrap().secret("POOL_KEY").map(|found| found.unwrap().expose_secret().to_owned());
    let place = || Place::new().write("key", "from the file\n");
    assert_eq!(secret(&place().env("POOL_KEY_FILE", "key")).unwrap(), "from the file");
    assert_eq!(secret(&place().dotenv("POOL_KEY=below").env("POOL_KEY_FILE", "key")).unwrap(), "from the file");
    assert_eq!(secret(&place().dotenv("POOL_KEY_FILE=key").env("POOL_KEY", "above")).unwrap(), "above");
    let twice = secret(&place().dotenv("POOL_KEY_FILE=key\nPOOL_KEY=hunter2")).unwrap_err();
    assert!(one_line(&twice).starts_with("POOL_KEY and POOL_KEY_FILE are both set"), "{twice}");
    let missing = secret(&Place::new().env("POOL_KEY_FILE", "key")).unwrap_err();
    assert!(one_line(&missing).starts_with("POOL_KEY_FILE names "), "{missing}");
    // Another program's variable stops nothing, and what is this program's is not handed to a pool.
    let place = place().env("OTHER_FILE", "not-there").env("SOCKETIO_AUTH_TOKEN_FILE", "key");
    let settings = place.load().unwrap();
    assert!(
        settings.secret("SOCKETIO_AUTH_TOKEN").unwrap().is_none()
            && settings.secret("SOCKETIO_AUTH_TOKEN_FILE").unwrap().is_none()
    );
}
