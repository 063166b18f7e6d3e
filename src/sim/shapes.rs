//! The answers of the simulated pools: an account as JSON text in the documented and in the real shapes.
//!
//! Every number is written as decimal text and never passes through a float. What a pool says of a wallet that it does
//! not know belongs to the shape as well, because the documentation and the real pools differ there most.

use std::time::Duration;

use super::numbers::{Object, array, fixed, js, php, text};
use super::world::{Account, Payout, SimPool, World, sum};
use crate::domain::Amount;

/// The world's time zero as seconds of the Unix clock: 2026-01-01 00:00 UTC.
const EPOCH_SECS: u64 = 1_767_225_600;
/// The window of `paid24h`.
const DAY: Duration = Duration::from_secs(86_400);
/// How many payments an answer lists.
const PAYMENTS_MAX: usize = 10;
/// How many payments NOMP lists of a coin.
const FEED_PAYMENTS_MAX: usize = 100;

/// The form of a pool's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// cpu-pool as documented: five figures, no identity; an unknown wallet gets zeros.
    CpuPoolDocumented,
    /// cpu-pool as NOMP answers: `miner`, workers, history; the whole raw query is the address.
    CpuPoolNomp,
    /// rplant with `paid` and `balance` at the top.
    RplantPaid,
    /// rplant with `totalPaid`.
    RplantTotalPaid,
    /// rplant with the figures inside `stats`.
    RplantStats,
    /// rplant as clients of the live pool read it: `total` is everything ever paid.
    RplantReal,
    /// zpool as documented: `paid`, and 404 for an unknown wallet.
    ZpoolDocumented,
    /// zpool as clients of the live pool read it: `paidtotal`, labelled text/html, an empty body for an unknown wallet.
    ZpoolReal,
    /// Miningcore: `totalPaid` and `pendingBalance`; an unknown wallet gets zeros.
    Miningcore,
    /// NOMP's `/api/payments`: the latest payments to everybody, whatever wallet is asked about.
    NompPayments,
}

impl Shape {
    /// The pool that answers in this shape.
    #[must_use]
    pub fn pool(self) -> SimPool {
        match self {
            Self::CpuPoolDocumented | Self::CpuPoolNomp => SimPool::CpuPool,
            Self::RplantPaid | Self::RplantTotalPaid | Self::RplantStats | Self::RplantReal => SimPool::Rplant,
            Self::ZpoolDocumented | Self::ZpoolReal => SimPool::Zpool,
            Self::Miningcore | Self::NompPayments => SimPool::Extra,
        }
    }

    /// The shape that a pool answers in until it is told otherwise: the real one.
    #[must_use]
    pub fn real(pool: SimPool) -> Self {
        match pool {
            SimPool::CpuPool => Self::CpuPoolNomp,
            SimPool::Rplant => Self::RplantReal,
            SimPool::Zpool => Self::ZpoolReal,
            SimPool::Extra => Self::Miningcore,
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// The address as the pool understood it; `None` where the request named none.
    pub address: Option<&'a str>,
    /// The coin of the path, which rplant echoes.
    pub coin: &'a str,
    /// The payout coin that zpool names.
    pub currency: &'a str,
}

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    fn json(body: String) -> Self {
        Self { status: 200, content_type: "application/json", body }
    }
}

/// Answers a question about a wallet as `shape` does.
#[must_use]
pub fn render(world: &World, shape: Shape, question: Question<'_>) -> Answer {
    let pool = shape.pool();
    if shape == Shape::NompPayments {
        return Answer::json(nomp_payments(world, pool));
    }
    let Some(address) = question.address else { return without_address(pool) };
    let found = world.account(pool, address);
    let nobody = Account::default();
    let account = found.unwrap_or(&nobody);
    let about = About { world, pool, address, account, question };
    match shape {
        Shape::CpuPoolDocumented => Answer::json(about.cpu_pool_documented()),
        Shape::CpuPoolNomp => Answer::json(about.cpu_pool_nomp()),
        Shape::RplantPaid => Answer::json(about.rplant("paid")),
        Shape::RplantTotalPaid => Answer::json(about.rplant("totalPaid")),
        Shape::RplantStats => Answer::json(Object::new().with("stats", about.rplant("paid")).end()),
        Shape::RplantReal if found.is_none() => Answer::json(Object::new().with("error", text("not found")).end()),
        Shape::RplantReal => Answer::json(about.rplant_real()),
        Shape::ZpoolDocumented if found.is_none() => {
            let body = Object::new().with("error", text("wallet not found")).end();
            Answer { status: 404, ..Answer::json(body) }
        }
        Shape::ZpoolDocumented => Answer::json(about.zpool_documented()),
        Shape::ZpoolReal => {
            let body = if found.is_some() { about.zpool_real() } else { String::new() };
            Answer { status: 200, content_type: "text/html; charset=UTF-8", body }
        }
        Shape::Miningcore | Shape::NompPayments => Answer::json(about.miningcore()),
    }
}

/// What NOMP publishes of all its coins: the last hundred payments of each, the newest first.
fn nomp_payments(world: &World, pool: SimPool) -> String {
    let payment = |payout: &Payout| {
        Object::new()
            .with("time", (secs(payout.at) * 1_000).to_string())
            .with("txid", text(&tx(payout)))
            .with("paid", js(payout.amount))
            .with("miners", "1")
            .with("amounts", Object::new().with(&payout.wallet, js(payout.amount)).end())
            .end()
    };
    let of_pool = world.payouts().iter().rev().filter(|payout| payout.pool == pool).take(FEED_PAYMENTS_MAX);
    let coin = |name: &str, payments: String| Object::new().with("name", text(name)).with("payments", payments).end();
    array([coin("koto", array([])), coin("adventurecoin", array(of_pool.map(payment)))])
}

/// A request that names no wallet at all.
fn without_address(pool: SimPool) -> Answer {
    match pool {
        SimPool::CpuPool => Answer::json(Object::new().with("result", text("error")).end()),
        SimPool::Zpool => Answer { status: 200, content_type: "text/html; charset=UTF-8", body: String::new() },
        SimPool::Rplant | SimPool::Extra => Answer { status: 404, content_type: "text/plain", body: String::from("Not Found") },
    }
}

/// One wallet's account with everything an answer says about it.
struct About<'a> {
    world: &'a World,
    pool: SimPool,
    address: &'a str,
    account: &'a Account,
    question: Question<'a>,
}

impl About<'_> {
    fn cpu_pool_documented(&self) -> String {
        Object::new()
            .with("totalHash", self.hashrate())
            .with("totalShares", self.shares())
            .with("immature", js(self.account.immature))
            .with("balance", js(self.account.balance))
            .with("paid", js(self.account.paid))
            .end()
    }

    fn cpu_pool_nomp(&self) -> String {
        let known = self.world.account(self.pool, self.address).is_some();
        let (mut workers, mut history) = (Object::new(), Object::new());
        if known {
            let rig = format!("{}.rig1", self.address);
            let worker = Object::new().with("name", text(&rig)).with("diff", "32").with("shares", self.shares());
            workers = workers.with(&rig, worker.with("invalidshares", "0").with("hashrate", self.hashrate()).end());
            let points = (0..5).map(|point| {
                let time = self.now_secs().saturating_sub(60 * point);
                Object::new().with("time", time.to_string()).with("hashrate", self.hashrate()).end()
            });
            history = history.with(&rig, array(points));
        }
        Object::new()
            .with("miner", text(self.address))
            .with("totalHash", self.hashrate())
            .with("totalShares", self.shares())
            .with("networkSols", if known { text("7812") } else { String::from("0") })
            .with("immature", js(self.account.immature))
            .with("balance", js(self.account.balance))
            .with("paid", js(self.account.paid))
            .with("workers", workers.end())
            .with("history", history.end())
            .end()
    }

    fn rplant(&self, paid: &str) -> String {
        Object::new().with(paid, js(self.account.paid)).with("balance", js(self.account.balance)).end()
    }

    fn rplant_real(&self) -> String {
        let miner = Object::new().with("ID", text("rig1")).with("hashrate", self.hashrate()).with("difficulty", "0.25");
        let miner = miner.with("accepted", self.shares()).with("rejected", "0").with("version", text("cpuminer-opt/24.1"));
        let payment = |payout: &Payout| {
            Object::new()
                .with("time", secs(payout.at).to_string())
                .with("amount", js(payout.amount))
                .with("tx", text(&tx(payout)))
                .end()
        };
        Object::new()
            .with("coin", text(self.question.coin))
            .with("address", text(self.address))
            .with("balance", js(self.account.balance))
            .with("unsold", js(self.account.immature))
            .with("unpaid", js(self.unpaid()))
            .with("paid24h", js(self.paid_today()))
            .with("total", js(self.account.paid))
            .with("hashrate", self.hashrate())
            .with("hashrate_solo", "0")
            .with("shares", self.shares())
            .with("miners", array([miner.end()]))
            .with("payments", array(self.payouts().take(PAYMENTS_MAX).map(payment)))
            .end()
    }

    fn zpool_documented(&self) -> String {
        Object::new()
            .with("currency", text(self.question.currency))
            .with("unsold", js(self.account.immature))
            .with("balance", js(self.account.balance))
            .with("unpaid", js(self.unpaid()))
            .with("paid", js(self.account.paid))
            .with("total", js(sum([self.unpaid(), self.account.paid].into_iter())))
            .end()
    }

    fn zpool_real(&self) -> String {
        let miner = Object::new().with("version", text("cpuminer-opt/24.1")).with("password", text("c=BTC"));
        let miner = miner.with("ID", text("rig1")).with("algo", text("minotaurx")).with("difficulty", "0.25");
        let miner = miner.with("subscribe", "1").with("accepted", self.hashrate()).with("rejected", "0");
        let payment = |payout: &Payout| {
            Object::new()
                .with("time", secs(payout.at).to_string())
                .with("amount", text(&fixed(payout.amount)))
                .with("tx", text(&tx(payout)))
                .end()
        };
        Object::new()
            .with("currency", text(self.question.currency))
            .with("unsold", php(self.account.immature))
            .with("balance", fixed(self.account.balance))
            .with("unpaid", fixed(self.unpaid()))
            .with("paid24h", fixed(self.paid_today()))
            .with("paidtotal", fixed(self.account.paid))
            .with("total", fixed(sum([self.unpaid(), self.paid_today()].into_iter())))
            .with("minpay", "0.0015")
            .with("total_hashrates", array([Object::new().with("minotaurx", self.hashrate()).end()]))
            .with("miners", array([miner.end()]))
            .with("payouts", array(self.payouts_of_the_day().take(PAYMENTS_MAX).map(payment)))
            .with("error", text(""))
            .end()
    }

    fn miningcore(&self) -> String {
        Object::new()
            .with("pendingShares", self.shares())
            .with("pendingBalance", fixed(self.account.balance))
            .with("totalPaid", fixed(self.account.paid))
            .with("todayPaid", fixed(self.paid_today()))
            .end()
    }

    fn unpaid(&self) -> Amount {
        sum([self.account.balance, self.account.immature].into_iter())
    }

    fn payouts(&self) -> impl Iterator<Item = &Payout> {
        self.world.payouts_of(self.pool, self.address)
    }

    fn payouts_of_the_day(&self) -> impl Iterator<Item = &Payout> {
        let since = self.world.now().saturating_sub(DAY);
        self.payouts().take_while(move |payout| payout.at >= since)
    }

    fn paid_today(&self) -> Amount {
        sum(self.payouts_of_the_day().map(|payout| payout.amount))
    }

    fn now_secs(&self) -> u64 {
        secs(self.world.now())
    }

    /// A hash rate with two places that belongs to the address; zero for a wallet that never mined.
    fn hashrate(&self) -> String {
        match self.fingerprint() {
            0 => String::from("0"),
            print => format!("{}.{:02}", print % 100_000, print / 100_000 % 100),
        }
    }

    fn shares(&self) -> String {
        (self.fingerprint() % 1_000_000).to_string()
    }

    /// FNV-1a of the address; zero for a wallet that the pool does not know.
    fn fingerprint(&self) -> u64 {
        if self.world.account(self.pool, self.address).is_none() {
            return 0;
        }
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.address.bytes().fold(0xcbf2_9ce4_8422_2325, step)
    }
}

/// A moment of the world as seconds of the Unix clock.
fn secs(at: Duration) -> u64 {
    EPOCH_SECS.saturating_add(at.as_secs())
}

/// The transaction id of a payout.
fn tx(payout: &Payout) -> String {
    format!("{:064x}", payout.number)
}

#[cfg(test)]
#[path = "shapes_tests.rs"]
mod tests;
