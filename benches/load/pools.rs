//! The three pools as the fastest server that is easily written: one thread, an answer for each request, keep-alive, and bodies
//! of the form and about the length of the real ones. It must not be what bounds a figure.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::board::{Board, Shown, player_of};
use super::machine::{CORE_SERVERS, pin};

/// Where each pool is.
#[derive(Clone, Copy)]
pub(crate) struct Pools(pub(crate) [SocketAddr; 3]);

impl Pools {
    /// Starts them; on one core with the other servers where `pinned`.
    pub(crate) fn start(board: &Arc<Board>, pinned: bool) -> Self {
        let listeners: [TcpListener; 3] = std::array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a free port"));
        let addresses = listeners.each_ref().map(|listener| listener.local_addr().expect("an address"));
        let board = Arc::clone(board);
        std::thread::spawn(move || {
            if pinned {
                pin(CORE_SERVERS);
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                let mut serving = Vec::new();
                for (pool, listener) in listeners.into_iter().enumerate() {
                    serving.push(tokio::task::spawn_local(accept(pool, listener, Arc::clone(&board))));
                }
                for pool in serving {
                    pool.await.expect("a server without a panic");
                }
            });
        });
        Self(addresses)
    }

    /// The URL of a pool without the wallet, as a pool file's `url` setting takes it.
    pub(crate) fn base(self, pool: usize) -> String {
        let path = ["/api/worker_stats", "/api/walletEx/advc", "/api/walletEx"][pool];
        format!("http://{}{path}", self.0[pool])
    }

    /// The URL that asks a pool about a wallet.
    pub(crate) fn url(self, pool: usize, wallet: &str) -> String {
        format!("{}{}{wallet}", self.base(pool), ["?", "/", "?address="][pool])
    }
}

async fn accept(pool: usize, listener: TcpListener, board: Arc<Board>) {
    listener.set_nonblocking(true).expect("a socket");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("a socket");
        tokio::task::spawn_local(serve(pool, stream, Arc::clone(&board)));
    }
}

/// Answers until the client closes.
async fn serve(pool: usize, mut stream: TcpStream, board: Arc<Board>) {
    let (mut input, mut output, mut body) = (Vec::with_capacity(4096), String::with_capacity(4096), String::with_capacity(2048));
    loop {
        match stream.read_buf(&mut input).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        output.clear();
        while let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let line = input.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let target = line.strip_suffix(b" HTTP/1.1").unwrap_or(line);
            let digits = target.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            let player = player_of(&target[target.len() - digits..]);
            answer(&mut body, pool, player, board.show(pool, player));
            write!(output, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                .expect("a text grows");
            input.drain(..end + 4);
        }
        if stream.write_all(output.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A pool's body about a player, in the pool's real form.
pub(crate) fn answer(body: &mut String, pool: usize, player: usize, Shown { payouts, speed }: Shown) {
    body.clear();
    let wallet = format_args!("ABenchWallet{player:022}").to_string();
    // In units of half a coin: 10 were there at the beginning.
    let halves = 20 + u64::from(payouts) * 3;
    let paid = format_args!("{}.{}", halves / 2, (halves % 2) * 5).to_string();
    match pool {
        0 => write!(
            body,
            r#"{{"miner":"{wallet}","totalHash":48211.{speed:07},"totalShares":1271.44,"networkSols":"18377112","immature":0,"balance":0.41,"paid":{paid},"workers":{{"{wallet}.rig1":{{"name":"{wallet}.rig1","diff":0.02,"shares":871.21,"invalidshares":3,"currRoundShares":871.21,"currRoundTime":611,"hashrate":31022.5,"hashrateString":"31.02 KH","luckDays":"1.311","luckHours":"31.464","paid":0,"balance":0}}}},"history":{{"{wallet}.rig1":[{{"time":1795762800,"hashrate":31022.5}},{{"time":1795762860,"hashrate":30871.1}},{{"time":1795762920,"hashrate":32001.9}}]}}}}"#
        ),
        1 => write!(
            body,
            r#"{{"coin":"advc","address":"{wallet}","hashrate":"48.{speed:07} kH/s","hashrates":[48211,47110,48002],"workers":"2","balance":0.31,"unsold":0.02,"unpaid":0.33,"paid24h":4.5,"total":{paid},"miners":[{{"version":"cpuminer-opt/24.5","password":"x","ID":"rig1","algo":"yespoweradvc","difficulty":0.02,"subscribe":1,"accepted":871,"rejected":3}},{{"version":"SRBMiner-MULTI/2.6","password":"x","ID":"rig2","algo":"yespoweradvc","difficulty":0.02,"subscribe":1,"accepted":400,"rejected":0}}]}}"#
        ),
        _ => write!(
            body,
            r#"{{"currency":"ADVC","unsold":0.00014,"balance":0.0031,"unpaid":0.00324,"paid24h":4.5,"minpay":0.005,"minpay_sunday":0.0025,"total":9.5,"paidtotal":{paid},"miners":[{{"version":"cpuminer-opt/24.5","password":"c=ADVC","ID":"rig1","algo":"yespoweradvc","difficulty":0.02,"subscribe":1,"accepted":871.{speed:07},"rejected":3.1}}]}}"#
        ),
    }
    .expect("a text grows");
}
