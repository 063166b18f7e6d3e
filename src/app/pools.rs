//! The pools that are polled: how their actors are started, and which there are at the moment.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};

use super::{HANG_GRACE, MAILBOX_CAPACITY, POOL_BACKOFF_MAX, POOL_BACKOFF_MIN, user_agent};
use crate::actors::ledger::Ledger;
use crate::actors::pool::{NetworkWatch, Pace, Pool};
use crate::actors::scheduler::PoolSlot;
use crate::actors::supervision::{Fuse, Supervision};
use crate::clock::Clock;
use crate::domain::PoolName;
use crate::pools::{HttpSettings, PoolClient, PoolSpec};
use crate::settings::Settings;

/// Everything that the way to a pool is made of.
struct Recipe {
    spec: PoolSpec,
    http: HttpSettings,
    secrets: BTreeMap<String, SecretString>,
}

/// A pool that can be started.
pub(super) struct Prepared {
    recipe: Recipe,
    client: PoolClient,
}

/// A pool that is polled.
pub(super) struct Running {
    recipe: Recipe,
    pub(super) address: Addr<Pool>,
}

/// What every pool's actor is started with.
pub(super) struct Starter {
    pub(super) clock: Clock,
    pub(super) fuse: Fuse,
    pub(super) ledger: Addr<Ledger>,
    pub(super) network: NetworkWatch,
}

/// The pools that are polled at the moment. A clone is the same list.
#[derive(Clone, Default)]
pub(super) struct PoolList(Rc<RefCell<Vec<Running>>>);

impl Prepared {
    /// A pool with the secrets that its file asks for.
    ///
    /// # Errors
    /// When a secret is not set or cannot be used.
    pub(super) fn new(settings: &Settings, spec: PoolSpec) -> anyhow::Result<Self> {
        let http = HttpSettings { timeout: settings.pool_request_timeout, user_agent: user_agent(settings) };
        let mut secrets = BTreeMap::new();
        for name in spec.secret_names() {
            if let Some(value) = settings.secret(&name)? {
                secrets.insert(name, value);
            }
        }
        let secret = |name: &str| Some(secrets.get(name)?.expose_secret().to_owned());
        let client = PoolClient::new(Arc::new(spec.clone()), &http, &secret)?;
        Ok(Self { recipe: Recipe { spec, http, secrets }, client })
    }

    /// The way to the pool alone.
    pub(super) fn into_client(self) -> PoolClient {
        self.client
    }

    pub(super) fn name(&self) -> &PoolName {
        self.recipe.spec.name()
    }
}

impl Recipe {
    fn is_same(&self, other: &Self) -> bool {
        let exposed = |recipe: &Self| -> BTreeMap<String, String> {
            recipe.secrets.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect()
        };
        self.spec.is_same(&other.spec) && self.http == other.http && exposed(self) == exposed(other)
    }
}

impl Running {
    pub(super) fn name(&self) -> &PoolName {
        self.recipe.spec.name()
    }

    /// Whether it is polled in just the way that `wanted` would be.
    fn is(&self, wanted: &Prepared) -> bool {
        self.recipe.is_same(&wanted.recipe)
    }

    fn slot(&self) -> PoolSlot {
        let spec = &self.recipe.spec;
        PoolSlot { name: spec.name().clone(), addresses: spec.address_source(), poll: self.address.clone().recipient() }
    }
}

impl Starter {
    pub(super) fn start(&self, Prepared { recipe, client }: Prepared) -> Running {
        let name = recipe.spec.name().clone();
        let limits = *recipe.spec.limits();
        let pace = Pace {
            concurrency: limits.concurrency.get(),
            gap_min: limits.rate_per_minute.map_or(Duration::ZERO, |rate| Duration::from_secs(60) / rate.get()),
            hung_after: client.time_max() + HANG_GRACE,
            backoff_min: POOL_BACKOFF_MIN,
            backoff_max: POOL_BACKOFF_MAX,
        };
        let (clock, ledger, network) = (self.clock, self.ledger.clone().recipient(), self.network.clone());
        let supervision = Supervision::new(format!("pool {name}"), clock, self.fuse.clone());
        let address = Supervisor::start(move |ctx: &mut Context<Pool>| {
            ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
            Pool::new(name, Rc::new(client), pace, ledger, clock, supervision).with_network(network)
        });
        Running { recipe, address }
    }
}

impl PoolList {
    pub(super) fn add(&self, pool: Running) {
        let mut pools = self.0.borrow_mut();
        pools.push(pool);
        pools.sort_by(|one, other| one.name().cmp(other.name()));
    }

    /// Takes these pools off the list.
    pub(super) fn remove(&self, names: &[PoolName]) {
        self.0.borrow_mut().retain(|pool| !names.contains(pool.name()));
    }

    /// Whether a pool is on the list.
    pub(super) fn has(&self, name: &PoolName) -> bool {
        self.0.borrow().iter().any(|pool| pool.name() == name)
    }

    /// Each pool's name and actor.
    pub(super) fn all(&self) -> Vec<(PoolName, Addr<Pool>)> {
        self.0.borrow().iter().map(|pool| (pool.name().clone(), pool.address.clone())).collect()
    }

    /// The pools as the scheduler sees them.
    pub(super) fn slots(&self) -> Vec<PoolSlot> {
        self.0.borrow().iter().map(Running::slot).collect()
    }

    /// Those of `wanted` that are not polled in just that way, and the names of the pools that make room for them or are not
    /// wanted any more.
    pub(super) fn difference(&self, wanted: Vec<Prepared>) -> (Vec<Prepared>, Vec<PoolName>) {
        let pools = self.0.borrow();
        let leaving = pools.iter().filter(|pool| !wanted.iter().any(|wanted| pool.is(wanted)));
        let leaving = leaving.map(|pool| pool.name().clone()).collect();
        let coming = wanted.into_iter().filter(|wanted| !pools.iter().any(|pool| pool.is(wanted))).collect();
        (coming, leaving)
    }
}
