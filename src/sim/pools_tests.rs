//! Claims about the HTTP server, made with raw sockets.

use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

use super::*;
use crate::domain::Amount;
use crate::sim::script::Fault;
use crate::sim::world::{Gate, Mining};

const SOON: Duration = Duration::from_secs(10);

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// Pools where nothing happens by itself and `W` was paid 10.5 everywhere.
fn pools() -> SimPools {
    let pools = SimPools::start(SimPoolsConfig::default()).unwrap();
    for pool in SimPool::ALL {
        pools.world().add_account(pool, "W", amount("10.5"));
    }
    pools
}

fn open(pools: &SimPools, target: &str) -> TcpStream {
    let mut socket = TcpStream::connect(pools.address()).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    write!(socket, "GET {target} HTTP/1.1\r\nHost: sim\r\nUser-Agent: test/1\r\nConnection: close\r\n\r\n").unwrap();
    socket
}

/// The whole answer to a request.
fn get(pools: &SimPools, target: &str) -> String {
    let mut answer = String::new();
    open(pools, target).read_to_string(&mut answer).unwrap();
    answer
}

const CPU: &str = "/cpu-pool/api/worker_stats?W";
const RPLANT: &str = "/rplant/api/walletEx/advc/W";
const ZPOOL: &str = "/zpool/api/walletEx?address=W";

#[test]
fn the_pools_answer_over_http_and_remember_the_requests() {
    let pools = pools();
    assert!(get(&pools, CPU).contains("\"paid\":10.5,"));
    assert!(get(&pools, RPLANT).contains("\"total\":10.5,"));
    let zpool = get(&pools, ZPOOL).to_ascii_lowercase();
    assert!(zpool.contains("\"paidtotal\":10.50000000,") && zpool.contains("content-type: text/html"), "{zpool}");
    assert!(get(&pools, "/extra/api/W").contains("\"totalPaid\":10.5"));
    assert!(get(&pools, "/nothing").starts_with("HTTP/1.1 404"));

    let [request] = &pools.last_requests(SimPool::Zpool)[..] else { panic!("one request") };
    assert_eq!(request.path_and_query, "/zpool/api/walletEx?address=W");
    assert_eq!(request.header("user-agent"), Some("test/1"));
    assert_eq!(pools.requests(SimPool::Zpool), RequestCounts { good: 1, faulted: 0 });
    assert_eq!(pools.url(SimPool::CpuPool), format!("http://{}/cpu-pool/api/worker_stats", pools.address()));

    pools.set_shape(Shape::ZpoolDocumented);
    pools.set_zpool_currency("LTC");
    let documented = get(&pools, ZPOOL);
    assert!(documented.contains("\"paid\":10.5") && documented.contains("\"LTC\""), "{documented}");
}

#[test]
fn a_good_answer_shows_the_figures_and_a_false_one_does_not() {
    let pools = pools();
    assert_eq!(pools.world().unshown(), 4);
    pools.script(SimPool::CpuPool, Script::next(1, Fault::body("<html>")));
    get(&pools, CPU);
    assert_eq!(pools.world().unshown(), 4);
    get(&pools, CPU);
    assert_eq!(pools.world().unshown(), 3);
}

#[test]
fn scripted_answers_replace_the_good_one() {
    let pools = pools();
    let headers = vec![(String::from("Retry-After"), String::from("7"))];
    let status = Fault::Status { code: 429, body: String::from("slow down"), headers };
    pools.script(SimPool::Rplant, Script::next(1, status));
    pools.script(SimPool::Rplant, Script::next(1, Fault::AnswerFor(String::from("V"))).for_wallet("W"));
    pools.world().set_paid(SimPool::Rplant, "V", amount("99"));
    let limited = get(&pools, RPLANT).to_ascii_lowercase();
    assert!(limited.starts_with("http/1.1 429") && limited.contains("retry-after: 7") && limited.ends_with("slow down"));
    assert!(get(&pools, RPLANT).contains("\"total\":99,"));
    assert!(get(&pools, RPLANT).contains("\"total\":10.5,"));
    pools.script(SimPool::Zpool, Script::standing(Fault::status(503)));
    for _ in 0..3 {
        assert!(get(&pools, ZPOOL).starts_with("HTTP/1.1 503"));
    }
    pools.clear_scripts(SimPool::Zpool);
    assert!(get(&pools, ZPOOL).contains("paidtotal"));
    assert_eq!(pools.requests(SimPool::Zpool), RequestCounts { good: 1, faulted: 3 });
    assert_eq!(pools.requests(SimPool::Rplant).total(), 3);
}

#[test]
fn a_closed_connection_carries_no_byte_of_an_answer() {
    let pools = pools();
    pools.script(SimPool::CpuPool, Script::next(1, Fault::Close));
    let mut answer = Vec::new();
    match open(&pools, CPU).read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    assert!(get(&pools, CPU).contains("\"paid\":10.5,"));
}

#[test]
fn late_answers_are_the_truth() {
    let pools = pools();
    pools.script(SimPool::CpuPool, Script::next(1, Fault::Delay(Duration::from_millis(150))));
    let asked = Instant::now();
    assert!(get(&pools, CPU).contains("\"paid\":10.5,"));
    assert!(asked.elapsed() >= Duration::from_millis(150));
    pools.script(SimPool::Rplant, Script::next(1, Fault::Drip(Duration::from_micros(100))));
    let dripped = get(&pools, RPLANT);
    assert!(dripped.contains("\r\n1\r\n{\r\n1\r\n\"\r\n1\r\nc\r\n"), "{dripped}");
}

#[test]
fn an_endless_body_goes_on_for_as_long_as_it_is_read() {
    let pools = pools();
    pools.script(SimPool::CpuPool, Script::next(1, Fault::EndlessBody));
    let mut socket = open(&pools, CPU);
    let mut read = vec![0; 4 * 1_024 * 1_024];
    socket.read_exact(&mut read).unwrap();
    assert!(get(&pools, CPU).contains("\"paid\":10.5,"), "others are served meanwhile");
}

#[test]
fn waiting_ends_with_the_request_or_with_the_timeout() {
    let pools = pools();
    assert!(!pools.wait_requests(SimPool::CpuPool, 1, Duration::from_millis(20)));
    std::thread::scope(|scope| {
        scope.spawn(|| get(&pools, CPU));
        assert!(pools.wait_requests(SimPool::CpuPool, 1, SOON));
    });
}

#[test]
fn stopping_frees_the_port_and_drops_a_hanging_request() {
    let pools = pools();
    pools.script(SimPool::CpuPool, Script::next(1, Fault::Hang));
    let mut hanging = open(&pools, CPU);
    assert!(pools.wait_requests(SimPool::CpuPool, 1, SOON));
    pools.stop();
    let mut rest = Vec::new();
    let ended = hanging.read_to_end(&mut rest);
    assert!(rest.is_empty() && ended.map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true));
    assert!(TcpStream::connect(pools.address()).is_err());
    pools.start_again().unwrap();
    assert!(get(&pools, CPU).contains("\"paid\":10.5,"));
    assert_eq!(pools.requests(SimPool::CpuPool), RequestCounts { good: 1, faulted: 1 });
}

#[actix::test]
async fn the_clock_pays_by_itself_and_the_server_runs_beside_another_system() {
    let mining = Mining { block_interval: Duration::from_millis(10), share_max: amount("1"), payout_threshold: amount("1") };
    let world = WorldConfig { gate: Gate::AfterSeen, mining: [(SimPool::CpuPool, mining)].into() };
    let pools = SimPools::start(SimPoolsConfig { world, seed: 5, ..SimPoolsConfig::default() }).unwrap();
    for number in 0..2_000 {
        pools.world().add_account(SimPool::CpuPool, &format!("W{number}"), amount("1"));
    }
    get(&pools, "/cpu-pool/api/worker_stats?W7");
    let deadline = Instant::now() + SOON;
    while pools.payouts().is_empty() {
        assert!(Instant::now() < deadline, "nothing was paid");
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
    let payouts = pools.payouts();
    assert_eq!((payouts.len(), &*payouts[0].wallet), (1, "W7"));
}

#[test]
fn an_answer_that_nobody_waits_for_is_not_given() {
    let pools = pools();
    pools.script(SimPool::CpuPool, Script::next(2, Fault::Delay(Duration::from_millis(200))));
    let given_up = open(&pools, CPU);
    assert!(pools.wait_requests(SimPool::CpuPool, 1, SOON));
    drop(given_up);
    // This one is due after the other.
    assert!(get(&pools, "/cpu-pool/api/worker_stats?V").contains("\"miner\":\"V\""));
    assert_eq!(pools.world().unshown(), 4);
}
