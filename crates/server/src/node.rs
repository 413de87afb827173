//! One node: everything started in order, and stopped in the opposite one.
//!
//! The journal comes first and goes last. A call can be answered as soon as the gateway listens,
//! and the gateway is the last to start; the admin listener says `ready` after that.

mod analytics;
mod policy_file;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use atalaya_api::{Resource, Router, resources};
use atalaya_control::{Control, Settings};
use atalaya_detect::{AlertSink, Clock, Ports, Scheduler};
use atalaya_gateway::{Gateway, Parts, SystemWorld};
use atalaya_journal::Journal;
use atalaya_lake::{Follower, Lake};
use atalaya_model::Timestamp;
use atalaya_query::Engine;
use atalaya_respond::responder::Responder;
use atalaya_store::SqliteStore;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::adapters::{AlertLog, ApprovalDesk, JournalRecorder, LakeTables, RuleEngine};
use crate::config::Config;
use crate::open::{self, OpenError};
use crate::respond::{self, ResponderSink, stream::Stream};
use analytics::Analytics;
use open::CANARY_SECRET;
use status::NodeStatus;

/// A running node.
pub struct Node {
    config: Config,
    journal: Journal,
    lake: Lake,
    follower: Follower,
    store: Arc<SqliteStore>,
    control: Arc<Control>,
    first_admin_token: Option<String>,
    engine: Arc<Engine>,
    responder: Arc<Responder>,
    stream: Option<Stream>,
    scheduler: Scheduler,
    analytics: Option<Arc<Analytics>>,
    gateway: Gateway<JournalRecorder>,
    admin_address: SocketAddr,
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    status: Arc<NodeStatus>,
}

impl Node {
    /// Starts a node on the current runtime; calls are taken when this returns.
    ///
    /// # Errors
    /// If a file is wrong or the world does not play along; nothing is left running.
    pub async fn start(config: Config) -> Result<Self, OpenError> {
        let inspector = Arc::new(open::inspector(&config)?);
        let rules = open::rules(&config)?;
        let (journal, lake, follower) = open_log(&config).await?;
        let store = Arc::new(open::store(&config)?.syncing_with_the_next());
        let (control, first_admin_token) = open_control(&config, &store).await?;
        let fingerprint_secret = node_secret(&control, "fingerprints").await?;
        let canary_secret = node_secret(&control, CANARY_SECRET).await?;
        forget_spills(&config);
        let engine = Arc::new(open::engine(&config, Arc::new(LakeTables(lake.clone())))?);
        let responder = open_responder(&config, &store, &control, &engine)?;
        let ports = Ports {
            engine: Arc::new(RuleEngine(Arc::clone(&engine))),
            store: Arc::clone(&store) as Arc<dyn atalaya_store::Store>,
            sinks: sinks(&config, &journal, &responder),
        };
        let scheduler = Scheduler::new(rules, ports, open::scheduler_config(&config));
        let analytics = run_analytics(&config, &journal, &scheduler, &engine)?;
        let stream = ladders(&config, &journal, &responder)?;
        let recorder = JournalRecorder::new(journal.clone());
        let gateway = Gateway::start(Parts {
            config: config.gateway.clone(),
            policy: control.policy(),
            inspector,
            recorder: recorder.clone(),
            world: Arc::new(SystemWorld),
            node_id: config.node_id.clone(),
            access: control.access(),
            approvals: Some(Arc::new(ApprovalDesk(Arc::clone(&control)))),
            fingerprint_secret,
            canary_secret,
        })
        .map_err(|error| OpenError::world("starting the gateway", error))?;
        let status = Arc::new(NodeStatus {
            journal: journal.clone(),
            lake: lake.clone(),
            scheduler: scheduler.clone(),
            analytics: analytics.clone(),
            gateway: gateway.metrics(),
            recorder,
            stopping: Mutex::new(false),
        });
        let policy = gateway.policy_slot();
        control.on_policy(move |now| policy.set(now));
        let admin_address = serve_admin(&config, &control, &status, &responder).await?;
        let (stopping, stop) = watch::channel(false);
        let mut tasks = background(&config, &store, &lake, &control, &scheduler, &stop);
        tasks.extend(answer(&config, &lake, &responder, &engine, &stop));
        Ok(Self {
            config,
            journal,
            lake,
            follower,
            store,
            control,
            first_admin_token,
            engine,
            responder,
            stream,
            scheduler,
            analytics,
            gateway,
            admin_address,
            stopping,
            tasks,
            status,
        })
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn gateway_addresses(&self) -> &[SocketAddr] {
        self.gateway.addresses()
    }

    /// Keys, enforcement, limits, policies.
    #[must_use]
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// The admin token that was made because there was none: to be shown once.
    #[must_use]
    pub fn first_admin_token(&self) -> Option<&str> {
        self.first_admin_token.as_deref()
    }

    /// Where the admin API, health, readiness and metrics are.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The tables.
    #[must_use]
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// The query engine over them.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Alerts.
    #[must_use]
    pub fn store(&self) -> &SqliteStore {
        &self.store
    }

    /// Incidents, runbooks, ladders.
    #[must_use]
    pub fn responder(&self) -> &Responder {
        &self.responder
    }

    /// Rules.
    #[must_use]
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// The configuration it was started with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Reads policy and rules again and puts them in force. If either is wrong, both stay as
    /// they are.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn reload(&self) -> Result<(), OpenError> {
        let rules = open::rules(&self.config)?;
        let runbooks = respond::runbooks(&self.config)?;
        let ladders = respond::ladders(&self.config)?;
        open::adopt_policy(&self.config, &self.control).await?;
        if let Some(analytics) = &self.analytics {
            analytics.replace(&rules, open::manifests(&self.config)?);
        }
        self.scheduler.replace_rules(rules);
        self.responder.replace(runbooks, ladders);
        Ok(())
    }

    /// Drains the gateway, ends the rules, flushes the tables, closes the journal.
    ///
    /// # Errors
    /// If the last flush failed; nothing is lost, the next start reads it from the journal.
    pub async fn stop(self) -> Result<(), OpenError> {
        *self.status.stopping.lock() = true;
        let gateway = self.gateway;
        blocking("draining the gateway", move || gateway.drain()).await?;
        // Nobody listens any more if all tasks have ended; that is as good.
        let _ = self.stopping.send(true);
        if let Some(analytics) = self.analytics {
            analytics.end().await;
        }
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task ended by a defect");
            }
        }
        let (journal, lake, follower) = (self.journal, self.lake, self.follower);
        let stream = self.stream;
        blocking("closing the log", move || {
            drop(stream);
            journal.close();
            if !lake.wait_for(journal.next_seq(), CATCH_UP_TIMEOUT) {
                tracing::warn!("the tables lag behind the journal; the next start catches up");
            }
            follower.stop()
        })
        .await?
        .map_err(|error| OpenError::world("flushing the tables", error))
    }
}

/// How long a stop waits for the tables to take in the last records.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(5);

async fn open_log(config: &Config) -> Result<(Journal, Lake, Follower), OpenError> {
    let config = config.clone();
    blocking("opening the log", move || {
        let what = format!("opening the journal in {}", config.journal_dir().display());
        std::fs::create_dir_all(&config.data_dir)
            .map_err(|error| OpenError::world(what.clone(), error))?;
        let (journal, report) = Journal::open(config.journal_config())
            .map_err(|error| OpenError::world(what.clone(), error))?;
        if let Some(torn) = report.torn_tail {
            tracing::warn!(
                bytes = torn.bytes,
                "the last process ended in the middle of a record; it was cut off"
            );
        }
        let lake = open::lake(&config)?;
        let follower = lake
            .follow(&journal)
            .map_err(|error| OpenError::world(what, error))?;
        Ok((journal, lake, follower))
    })
    .await?
}

async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, OpenError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| OpenError::world(what, error))
}

fn open_responder(
    config: &Config,
    store: &Arc<SqliteStore>,
    control: &Arc<Control>,
    engine: &Arc<Engine>,
) -> Result<Arc<Responder>, OpenError> {
    let parts = respond::Parts {
        store: Arc::clone(store),
        control: Arc::clone(control),
        engine: Some(Arc::clone(engine)),
        holder: format!("node:{}", config.node_id),
    };
    respond::responder(config, parts).map(Arc::new)
}

/// A secret of this installation, made when it is first asked for.
async fn node_secret(control: &Control, name: &str) -> Result<Vec<u8>, OpenError> {
    let secret = control.node_secret(name).await;
    secret.map_err(|error| OpenError::world(format!("reading the secret of {name}"), error))
}

/// The analytics, where they are wanted.
fn run_analytics(
    config: &Config,
    journal: &Journal,
    scheduler: &Scheduler,
    engine: &Arc<Engine>,
) -> Result<Option<Arc<Analytics>>, OpenError> {
    if !config.rules.enabled || !config.analytics.enabled {
        return Ok(None);
    }
    let engine = Arc::new(RuleEngine(Arc::clone(engine)));
    Analytics::start(config, journal, scheduler, engine).map(Some)
}

/// What runs beside the calls until the node stops.
fn background(
    config: &Config,
    store: &Arc<SqliteStore>,
    lake: &Lake,
    control: &Arc<Control>,
    scheduler: &Scheduler,
    stop: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let every = Duration::from_secs(config.lake.maintenance_interval_min.saturating_mul(60));
    let mut tasks = vec![
        tokio::spawn(sync_store(Arc::clone(store), stopped(stop.clone()))),
        tokio::spawn(maintain(lake.clone(), every, stop.clone())),
        tokio::spawn(Arc::clone(control).watch(stopped(stop.clone()))),
    ];
    if let Some(path) = config.policy.clone() {
        let watching = policy_file::watch(path, Arc::clone(control), stopped(stop.clone()));
        tasks.push(tokio::spawn(watching));
    }
    if config.rules.enabled {
        tasks.push(tokio::spawn(run_rules(scheduler.clone(), stop.clone())));
    }
    tasks
}

/// Brings to disk what no later write did: a power cut costs a second of what people changed.
async fn sync_store(store: Arc<SqliteStore>, stopped: impl Future<Output = ()> + Send) {
    const INTERVAL: Duration = Duration::from_secs(1);
    tokio::pin!(stopped);
    loop {
        let is_last = tokio::select! {
            () = &mut stopped => true,
            () = tokio::time::sleep(INTERVAL) => false,
        };
        if let Err(error) = store.sync().await {
            tracing::error!(%error, "control state was not brought to disk; it is tried again");
        }
        if is_last {
            return;
        }
    }
}

/// What a crash left behind of earlier queries.
fn forget_spills(config: &Config) {
    if let Some(folder) = config.spill_dir() {
        let _ = std::fs::remove_dir_all(folder);
    }
}

async fn open_control(
    config: &Config,
    store: &Arc<SqliteStore>,
) -> Result<(Arc<Control>, Option<String>), OpenError> {
    let store = Arc::clone(store) as Arc<dyn atalaya_store::ControlStore>;
    let fail = |error| OpenError::world("reading keys, enforcement and policies", error);
    let settings = Settings {
        entitlements: config.gateway.callers.entitlements.clone(),
        ..Settings::default()
    };
    let control = Control::open(store, settings).await.map_err(fail)?;
    open::adopt_policy(config, &control).await?;
    let token = control.first_admin_token().await.map_err(fail)?;
    Ok((control, token.map(|created| created.token)))
}

/// What the admin API serves, in the order of its description.
fn admin_resources(
    control: &Arc<Control>,
    status: &Arc<NodeStatus>,
    responder: &Arc<Responder>,
) -> Vec<Resource> {
    vec![
        resources::node::resource(Arc::clone(status) as Arc<dyn resources::node::Status>),
        resources::keys::resource(control),
        resources::enforcements::resource(control),
        resources::approvals::resource(control),
        resources::policies::resource(control),
        resources::tokens::resource(control),
        resources::incidents::resource(responder),
        resources::runbooks::resource(responder),
        resources::evidence::resource(responder),
        resources::tuning::resource(responder),
    ]
}

/// Where alerts go besides the store.
fn sinks(
    config: &Config,
    journal: &Journal,
    responder: &Arc<Responder>,
) -> Vec<Arc<dyn AlertSink>> {
    let mut sinks: Vec<Arc<dyn AlertSink>> = vec![Arc::new(AlertLog(journal.clone()))];
    if config.respond.enabled {
        sinks.push(Arc::new(ResponderSink(Responder::clone(responder))));
    }
    sinks
}

/// Counts every decision on the ladders.
fn ladders(
    config: &Config,
    journal: &Journal,
    responder: &Arc<Responder>,
) -> Result<Option<Stream>, OpenError> {
    if !config.respond.enabled {
        return Ok(None);
    }
    let documents = Arc::clone(&responder.engine().ports().documents);
    Stream::start(journal.clone(), Responder::clone(responder), documents)
        .map(Some)
        .map_err(|error| OpenError::world("starting the ladders", error))
}

/// Runs that go on, lists that are read again, and what retention must not touch.
fn answer(
    config: &Config,
    lake: &Lake,
    responder: &Arc<Responder>,
    engine: &Arc<Engine>,
    stop: &watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let documents = Arc::clone(&responder.engine().ports().documents);
    let holding = respond::hold(lake.clone(), documents, stopped(stop.clone()));
    let mut tasks = vec![tokio::spawn(holding)];
    if config.respond.enabled && config.respond.baselines.enabled {
        tasks.push(tokio::spawn(respond::baselines::watch(
            Arc::clone(engine),
            Responder::clone(responder),
            config.respond.baselines.clone(),
            stopped(stop.clone()),
        )));
    }
    if config.respond.enabled {
        let (responder, stop) = (Responder::clone(responder), stop.clone());
        tasks.push(tokio::spawn(async move {
            responder.run(stopped(stop)).await;
        }));
    }
    tasks
}

async fn serve_admin(
    config: &Config,
    control: &Arc<Control>,
    status: &Arc<NodeStatus>,
    responder: &Arc<Responder>,
) -> Result<SocketAddr, OpenError> {
    let resources = admin_resources(control, status, responder);
    let router = Router::new(Arc::clone(control), resources);
    let listen = config.admin.listen;
    atalaya_api::serve(listen, Arc::new(router))
        .await
        .map_err(|error| OpenError::world(format!("listening on {listen}"), error))
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the node is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn run_rules(scheduler: Scheduler, stop: watch::Receiver<bool>) {
    let clock: Arc<dyn Clock> = Arc::new(Timestamp::now);
    scheduler.run(clock, stopped(stop)).await;
}

async fn maintain(lake: Lake, every: Duration, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(every) => {}
        }
        let lake = lake.clone();
        match tokio::task::spawn_blocking(move || lake.maintain()).await {
            Ok(Ok(report)) => tracing::debug!(?report, "tables maintained"),
            Ok(Err(error)) => tracing::error!(%error, "the tables could not be maintained"),
            Err(error) => tracing::error!(%error, "maintenance ended by a defect"),
        }
    }
}
