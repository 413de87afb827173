//! Response, joined to the rest: its ports are filled with the gateway's control state, the query
//! engine, the journal and the store.
//!
//! The node and the commands build the same [`Responder`]: a command that starts a runbook or
//! blocks a caller writes the store that a running node watches, and takes effect on its next call.

pub mod baselines;
mod enforcement;
pub mod evidence;
mod keys;
mod queries;
mod sink;
pub mod stream;
pub(crate) mod watchlists;

use std::sync::Arc;

use atalaya_control::{Control, Settings};
use atalaya_lake::{Lake, LegalHold};
use atalaya_model::Timestamp;
use atalaya_query::Engine;
use atalaya_respond::channels::Channels;
use atalaya_respond::egress::{Egress, SystemResolver};
use atalaya_respond::ladder::Ladders;
use atalaya_respond::ports::{Containment, Ports};
use atalaya_respond::responder::Responder;
use atalaya_respond::runbook::RunbookCatalogue;
use atalaya_store::{DocumentStore, SqliteStore};

use crate::config::Config;
use crate::open::OpenError;

pub use sink::ResponderSink;

/// What response is joined to.
pub struct Parts {
    /// Control state.
    pub store: Arc<SqliteStore>,
    /// The gateway's orders.
    pub control: Arc<Control>,
    /// The query engine; opened when it is first needed if there is none.
    pub engine: Option<Arc<Engine>>,
    /// Who drives runs: `node:<id>`, or a command.
    pub holder: String,
}

/// The runbooks in force.
///
/// # Errors
/// If a runbook of the user is wrong.
pub fn runbooks(config: &Config) -> Result<RunbookCatalogue, OpenError> {
    let section = &config.respond;
    let mut catalogue = if section.builtin_runbooks {
        RunbookCatalogue::builtin()
    } else {
        RunbookCatalogue::default()
    };
    for folder in &section.runbooks {
        catalogue.add_folder(folder);
    }
    let wrong: Vec<String> = catalogue
        .problems()
        .iter()
        .filter(|problem| problem.is_error())
        .map(atalaya_respond::runbook::RunbookProblem::render)
        .collect();
    if !wrong.is_empty() {
        return Err(OpenError::BadInput(wrong.join("\n")));
    }
    for id in &section.disabled_runbooks {
        if !catalogue.disable(id) {
            return Err(OpenError::BadInput(format!(
                "error: respond.disabled_runbooks names {id}, and there is no such runbook; see `atalaya runbooks list`"
            )));
        }
    }
    Ok(catalogue)
}

/// The ladders in force.
///
/// # Errors
/// If a ladder of the user is wrong.
pub fn ladders(config: &Config) -> Result<Ladders, OpenError> {
    let section = &config.respond;
    let mut ladders = if section.builtin_ladders {
        Ladders::builtin()
    } else {
        Ladders::default()
    };
    for folder in &section.ladders {
        ladders.add_folder(folder);
    }
    let wrong: Vec<&str> = ladders.problems().iter().map(|p| p.text.as_str()).collect();
    if wrong.is_empty() {
        Ok(ladders)
    } else {
        Err(OpenError::BadInput(wrong.join("\n")))
    }
}

/// A responder.
///
/// # Errors
/// If a runbook, a ladder, a channel or the egress policy is wrong.
pub fn responder(config: &Config, parts: Parts) -> Result<Responder, OpenError> {
    let section = &config.respond;
    let egress = Egress::new(section.egress.clone(), Arc::new(SystemResolver))
        .map_err(|error| OpenError::BadInput(format!("error: respond.{error}")))?;
    let channels = Channels::new(&section.channels, &secret)
        .map_err(|error| OpenError::BadInput(format!("error: {error}")))?;
    let store = parts.store;
    let keeper = evidence::Keeper {
        config: config.clone(),
        store: Arc::clone(&store),
    };
    let ports = Ports {
        documents: Arc::clone(&store) as _,
        alerts: Arc::clone(&store) as _,
        enforcement: Some(Arc::new(enforcement::ControlEnforcement(Arc::clone(
            &parts.control,
        )))),
        keys: Some(Arc::new(keys::ControlKeys {
            control: parts.control,
            store,
        })),
        queries: Some(Arc::new(queries::EngineQueries::new(
            config.clone(),
            parts.engine,
        ))),
        evidence: Some(Arc::new(keeper)),
        egress,
        channels: Arc::new(channels),
        containment: Containment {
            shared: section.contain_shared,
            brief: std::time::Duration::from_secs(section.contain_shared_for_s),
        },
        clock: Arc::new(Timestamp::now),
        watch: None,
    };
    Ok(Responder::new(
        ports,
        (section.incidents.clone(), section.sla.clone()),
        (runbooks(config)?, ladders(config)?),
        (&parts.holder, section.automatic),
    ))
}

/// Hands legal holds to the tables whenever they change, until `shutdown` resolves.
pub async fn hold(
    lake: Lake,
    documents: Arc<dyn DocumentStore>,
    shutdown: impl Future<Output = ()> + Send,
) {
    /// How often a hold that a command set is looked for.
    const INTERVAL: std::time::Duration = std::time::Duration::from_secs(2);
    tokio::pin!(shutdown);
    loop {
        match atalaya_respond::evidence::active_holds(documents.as_ref()).await {
            Ok(holds) => lake.set_holds(
                holds
                    .into_iter()
                    .map(|hold| LegalHold {
                        tables: hold.tables,
                        from: hold.from,
                        until: hold.until,
                    })
                    .collect(),
            ),
            // What was held stays held.
            Err(error) => tracing::error!(%error, "legal holds cannot be read"),
        }
        tokio::select! {
            () = &mut shutdown => break,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// A responder for a command, beside a node that may or may not be running.
///
/// # Errors
/// As [`responder`], or if the store cannot be opened.
pub async fn for_command(config: &Config) -> Result<Responder, OpenError> {
    let store = Arc::new(crate::open::store(config)?);
    let control_store = Arc::clone(&store) as Arc<dyn atalaya_store::ControlStore>;
    let control = Control::open(control_store, Settings::default())
        .await
        .map_err(|error| OpenError::world("reading keys, enforcement and policies", error))?;
    let parts = Parts {
        store,
        control,
        engine: None,
        holder: format!("command:{}", std::process::id()),
    };
    responder(config, parts)
}

/// Resolves `${env:NAME}` and `${file:PATH}`; a secret written out in the file is refused.
fn secret(reference: &str) -> Result<String, String> {
    let inner = reference
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or("a secret must be a reference: ${env:NAME} or ${file:PATH}")?;
    let value = match inner.split_once(':') {
        Some(("env", name)) => std::env::var(name)
            .map_err(|_| format!("the environment variable `{name}` is not set"))?,
        Some(("file", path)) => std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the secret file `{path}`: {error}"))?,
        _ => return Err("a secret must be ${env:NAME} or ${file:PATH}".to_owned()),
    };
    Ok(value.trim().to_owned())
}
