//! What the tests of all actors share: paused time, and neighbours made of a closure.

use std::future::Future;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::LocalBoxFuture;
use pool_poller::domain::{Amount, PlayerId, PoolName, Wallet};
use serde_json::Value;

/// Runs a test in an actix system of its own, on paused time. A test that waits for what never comes fails after a day.
pub(crate) fn paused<T>(test: impl Future<Output = T>) -> T {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let system = actix_rt::System::with_tokio_rt(|| runtime().expect("a runtime"));
    system.block_on(async { tokio::time::timeout(secs(86_400), test).await.expect("the test ends within a day") })
}

/// Lets everything that is ready run. In paused time this is exact: the clock only moves once nothing else is to be done.
pub(crate) async fn settle() {
    wait(Duration::from_millis(1)).await;
}

/// Waits in paused time.
pub(crate) async fn wait(duration: Duration) {
    tokio::time::sleep(duration).await;
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An actor that answers messages by a closure, in place of a neighbour. A slow answer holds up no other.
pub(crate) struct Neighbour<M: Message> {
    answer: Box<dyn FnMut(M) -> Answer<M>>,
}

type Answer<M> = LocalBoxFuture<'static, <M as Message>::Result>;

/// Starts a neighbour.
pub(crate) fn neighbour<M, F>(mut answer: impl FnMut(M) -> F + 'static) -> Addr<Neighbour<M>>
where
    M: Message + 'static,
    F: Future<Output = M::Result> + 'static,
{
    Neighbour { answer: Box::new(move |message| Box::pin(answer(message))) }.start()
}

impl<M: Message + 'static> Actor for Neighbour<M> {
    type Context = Context<Self>;
}

impl<M: Message + 'static> Handler<M> for Neighbour<M> {
    type Result = ResponseFuture<M::Result>;

    fn handle(&mut self, message: M, _: &mut Self::Context) -> Self::Result {
        (self.answer)(message)
    }
}

/// A recipient whose actor is gone.
pub(crate) async fn dead<M>() -> Recipient<M>
where
    M: Message<Result: Send> + Send + 'static,
{
    struct Mortal;
    impl Actor for Mortal {
        type Context = Context<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.stop();
        }
    }
    impl<M: Message<Result: Send> + 'static> Handler<M> for Mortal {
        type Result = ResponseFuture<M::Result>;
        fn handle(&mut self, _: M, _: &mut Self::Context) -> Self::Result {
            Box::pin(std::future::pending())
        }
    }
    let recipient = Mortal.start().recipient();
    settle().await;
    assert!(!recipient.connected());
    recipient
}

pub(crate) fn pool(name: &str) -> PoolName {
    name.parse().expect("a pool's name")
}

pub(crate) fn wallet(address: &str) -> Wallet {
    address.parse().expect("an address")
}

pub(crate) fn amount(text: &str) -> Amount {
    text.parse().expect("an amount")
}

pub(crate) fn player(id: usize) -> PlayerId {
    PlayerId(i32::try_from(id).expect("a small number"))
}

/// A figure of a metrics report.
pub(crate) fn figure(metrics: &Value, name: &str) -> u64 {
    metrics.pointer(name).and_then(Value::as_u64).unwrap_or_else(|| panic!("no figure {name} in {metrics}"))
}
