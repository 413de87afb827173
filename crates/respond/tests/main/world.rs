//! A world for tests: a store, a gateway that remembers its orders, the loopback.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use atalaya_model::{Alert, AlertStatus, Entity, EntityKind, Severity, Timestamp};
use atalaya_respond::channels::{ChannelConfig, Channels};
use atalaya_respond::context::RunContext;
use atalaya_respond::egress::{Egress, EgressConfig, SystemResolver};
use atalaya_respond::incident::{GroupingConfig, Incidents};
use atalaya_respond::ports::{Enforcement, Order, PortError, Ports};
use atalaya_respond::runbook::{Origin, Runbook};
use atalaya_respond::saga::Engine;
use atalaya_store::{NewAlert, SqliteStore, Store as _};
use parking_lot::Mutex;

/// A gateway that writes every order to a file, so that it outlives a killed process.
pub(crate) struct FileGateway(pub(crate) std::path::PathBuf);

impl FileGateway {
    fn read(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

#[async_trait]
impl Enforcement for FileGateway {
    async fn impose(&self, order: &Order) -> Result<String, PortError> {
        let mut orders = self.read();
        orders.insert(order.key.clone(), format!("{} {}", order.kind, order.value));
        std::fs::write(&self.0, serde_json::to_string(&orders).unwrap()).unwrap();
        Ok(order.key.clone())
    }

    async fn lift(&self, id: &str, _: &str, _: &str) -> Result<bool, PortError> {
        let mut orders = self.read();
        let was_there = orders.remove(id).is_some();
        std::fs::write(&self.0, serde_json::to_string(&orders).unwrap()).unwrap();
        Ok(was_there)
    }
}

/// The time of tests, moved by hand.
#[derive(Clone)]
pub(crate) struct Clock(pub(crate) Arc<Mutex<i64>>);

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) incidents: Incidents,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) gateway: Arc<FileGateway>,
    pub(crate) clock: Clock,
}

pub(crate) const START: i64 = 1_800_000_000_000_000;

pub(crate) fn open(folder: &Path, webhook: Option<&str>) -> World {
    open_with(folder, webhook, None, "node:test")
}

/// A world whose ports are changed.
pub(crate) fn open_as(folder: &Path, change: impl FnOnce(&mut Ports)) -> World {
    open_changed(folder, None, "node:test", change)
}

pub(crate) fn open_with(
    folder: &Path,
    webhook: Option<&str>,
    watch: Option<atalaya_respond::ports::Watch>,
    holder: &str,
) -> World {
    open_changed(folder, webhook, holder, |ports| ports.watch = watch)
}

fn open_changed(
    folder: &Path,
    webhook: Option<&str>,
    holder: &str,
    change: impl FnOnce(&mut Ports),
) -> World {
    let store = Arc::new(SqliteStore::open(&folder.join("control.db")).unwrap());
    let gateway = Arc::new(FileGateway(folder.join("gateway.json")));
    let clock = Clock(Arc::new(Mutex::new(START)));
    let config = EgressConfig {
        allow_addresses: vec!["127.0.0.1".into()],
        allow_http: true,
        request_timeout_ms: 2_000,
        ..EgressConfig::default()
    };
    let channels: BTreeMap<String, ChannelConfig> = webhook
        .map(|url| {
            let channel = ChannelConfig::Webhook {
                url: url.to_owned(),
                secret: "s".into(),
            };
            ("hook".to_owned(), channel)
        })
        .into_iter()
        .collect();
    let now = clock.clone();
    let mut ports = Ports {
        documents: Arc::clone(&store) as _,
        alerts: Arc::clone(&store) as _,
        enforcement: Some(Arc::clone(&gateway) as _),
        keys: None,
        queries: None,
        evidence: None,
        egress: Egress::new(config, Arc::new(SystemResolver)).unwrap(),
        channels: Arc::new(Channels::new(&channels, &|s| Ok(s.to_owned())).unwrap()),
        containment: atalaya_respond::ports::Containment::default(),
        clock: Arc::new(move || Timestamp(*now.0.lock())),
        watch: None,
    };
    change(&mut ports);
    let incidents = Incidents::new(
        Arc::clone(&store) as _,
        Arc::clone(&store) as _,
        GroupingConfig::default(),
    );
    World {
        engine: Engine::new(ports, incidents.clone(), holder),
        incidents,
        store,
        gateway,
        clock,
    }
}

impl World {
    pub(crate) fn orders(&self) -> Vec<String> {
        self.gateway.read().into_values().collect()
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(*self.clock.0.lock())
    }

    pub(crate) fn pass_minutes(&self, minutes: i64) {
        *self.clock.0.lock() += minutes * 60_000_000;
    }

    /// Keeps an alert and takes it in.
    pub(crate) async fn take_in(
        &self,
        alert: &Alert,
    ) -> Option<atalaya_respond::incident::Incident> {
        let new = NewAlert {
            alert: alert.clone(),
            group_key: alert.alert_id.clone(),
            dedup_key: alert.alert_id.clone(),
        };
        self.store.insert_alert(new).await.unwrap();
        let taken = self.incidents.take_in(alert, true, self.now()).await;
        taken.unwrap().map(|(incident, _)| incident)
    }
}

pub(crate) fn runbook(text: &str) -> Runbook {
    Runbook::parse(text, Origin::Run).unwrap().0
}

pub(crate) fn alert(id: &str, caller: &str, technique: &str) -> Alert {
    Alert {
        alert_id: id.into(),
        time_generated: Timestamp(START),
        rule_id: "rule-1".into(),
        rule_name: "Rule".into(),
        rule_version: "1.0.0".into(),
        rule_hash: "00".into(),
        severity: Severity::High,
        techniques: vec![technique.into()],
        atlas_release: "2026.09".into(),
        entities: vec![
            Entity {
                kind: EntityKind::Caller,
                value: caller.into(),
            },
            Entity {
                kind: EntityKind::Address,
                value: "192.0.2.7".into(),
            },
        ],
        first_seen: Timestamp(START - 60_000_000),
        last_seen: Timestamp(START),
        count: 12,
        record_ids: vec!["d1".into(), "d2".into()],
        details: BTreeMap::new(),
        status: AlertStatus::New,
    }
}

pub(crate) fn context(incident: Option<&str>) -> RunContext {
    RunContext::of_alert(&alert("a1", "mallory", "AML.T0051.000"), incident)
}
