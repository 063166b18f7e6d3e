use std::cell::RefCell;

use super::*;

fn spec(missing: &str) -> Arc<PoolSpec> {
    let text = format!(
        "name = \"u\"\nurl = \"http://h/{{wallet}}\"\npaid.pointer = \"/paid\"\ncurrency.constant = \"ADVC\"\n\
         [unit]\npath = \"/u\"\npointer = \"/d\"\nkind = \"decimals\"\nrefresh_seconds = 3600\n{missing}"
    );
    Arc::new(PoolSpec::parse(&text, "u.toml").unwrap())
}

fn failed(status: u16) -> Result<String, Failure> {
    Err(Failure::HttpStatus { status })
}

#[test]
fn a_unit_is_a_small_number_or_a_power_of_ten() {
    let rule = |kind| UnitRule { kind, ..spec("").unit.clone().unwrap() };
    let (decimals, divisor) = (rule(UnitKind::Decimals), rule(UnitKind::Divisor));
    for (rule, literal, expected) in [
        (&decimals, "8", Some(8)),
        (&decimals, "\"8\"", Some(8)),
        (&decimals, "0", Some(0)),
        (&decimals, "31", None),
        (&decimals, "-1", None),
        (&decimals, "8.0", None),
        (&decimals, "\"+8\"", None),
        (&decimals, "true", None),
        (&decimals, "{}", None),
        (&divisor, "1", Some(0)),
        (&divisor, "100000000", Some(8)),
        (&divisor, "\"1000\"", Some(3)),
        (&divisor, "1e12", Some(12)),
        (&divisor, "1E+18", Some(18)),
        (&divisor, "1e31", None),
        (&divisor, "1001", None),
        (&divisor, "2000", None),
        (&divisor, "0", None),
        (&divisor, "1e-2", None),
        (&divisor, "null", None),
    ] {
        let read = rule.read(format!("{{\"d\":{literal}}}").as_bytes());
        assert_eq!(read.as_ref().ok(), expected.as_ref(), "{literal}: {read:?}");
        assert!(read.is_ok() || read.unwrap_err().kind() == "unit_unknown", "{literal}");
    }
    for body in ["", "<html>", "[]", "{}"] {
        assert!(decimals.read(body.as_bytes()).is_err(), "{body}");
    }
    let missing = spec("missing = 3").unit.clone().unwrap();
    assert_eq!(
        (missing.read(b"{}"), missing.read(b"{\"d\":null}"), missing.read(b"{\"d\":\"x\"}").is_err()),
        (Ok(3), Ok(3), true)
    );
}

/// Answers the requests of a test in turn, and counts them.
struct Script(RefCell<Vec<Result<String, Failure>>>);

impl Script {
    fn new(mut answers: Vec<Result<String, Failure>>) -> Self {
        answers.reverse();
        Self(RefCell::new(answers))
    }

    async fn ask(&self, reader: &UnitReader) -> Result<u32, &'static str> {
        let answer = reader.current(async |_| self.0.borrow_mut().pop().expect("a request too many")).await;
        answer.map(|spec| spec.decimals).map_err(|failure| failure.kind())
    }
}

#[tokio::test(start_paused = true)]
async fn a_unit_is_read_now_and_then_and_goes_on_for_a_day_when_it_cannot_be_read() {
    let reader = UnitReader::new(&spec("")).unwrap();
    let later = |seconds| tokio::time::advance(Duration::from_secs(seconds));
    let good = |decimals: u32| Ok(format!("{{\"d\":{decimals}}}"));
    let answers = vec![failed(500), failed(404), good(8), good(9), failed(502), Ok("<html>".to_owned()), failed(404), good(9)];
    let script = Script::new(answers);
    assert_eq!(script.ask(&reader).await, Err("unit_unknown"));
    assert_eq!(script.ask(&reader).await, Err("unit_unknown"), "not asked for again at once");
    later(61).await;
    assert_eq!(script.ask(&reader).await, Err("unit_unknown"), "404 says that it is missing, and missing is not allowed here");
    later(61).await;
    assert_eq!(script.ask(&reader).await, Ok(8));
    later(3_599).await;
    assert_eq!(script.ask(&reader).await, Ok(8), "known for an hour");
    later(2).await;
    assert_eq!(script.ask(&reader).await, Ok(9));
    later(3_601).await;
    assert_eq!(script.ask(&reader).await, Ok(9), "the old one");
    later(61).await;
    assert_eq!(script.ask(&reader).await, Ok(9));
    later(24 * 3_600).await;
    assert_eq!(script.ask(&reader).await, Err("unit_unknown"), "a day is too long");
    later(61).await;
    assert_eq!(script.ask(&reader).await, Ok(9));
    assert!(script.0.borrow().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_missing_unit_may_have_a_meaning() {
    let reader = UnitReader::new(&spec("missing = 0")).unwrap();
    let script = Script::new(vec![failed(404)]);
    assert_eq!(script.ask(&reader).await, Ok(0));
    let other = UnitReader::new(&spec("missing = 0")).unwrap();
    assert_eq!(Script::new(vec![failed(403)]).ask(&other).await, Err("unit_unknown"), "any other failure is none");
}
