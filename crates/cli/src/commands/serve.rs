//! `atalaya serve`: run a node until SIGTERM or SIGINT.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use atalaya_server::config::{Config, LogFormat};
use atalaya_server::node::Node;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::common::{self, Place};
use crate::exit::{Exit, Failure};
use crate::output;

/// Run the gateway, the decision log and the rules
///
/// SIGTERM and SIGINT drain: running calls end, new ones are refused. SIGHUP reads policy and
/// rules again; a wrong file changes nothing and is logged.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = args.place.load()?;
    start_log(&config)?;
    common::runtime()?.block_on(serve(config))
}

/// File in the data folder with the first admin token, if nobody sat there to read it.
const TOKEN_FILE: &str = "admin.token";

/// Gives the first admin token to whoever sits there, or else to the owner of the data folder:
/// what is not a terminal is likely a log, and others read that.
fn hand_over(token: &str, data_dir: &Path) -> String {
    if std::io::stderr().is_terminal() {
        return format!(
            "admin token, shown this once (`atalaya tokens create NAME` makes another): {token}"
        );
    }
    let path = data_dir.join(TOKEN_FILE);
    match write_secret(&path, token) {
        Ok(()) => format!(
            "the admin token is in {}: keep it elsewhere and delete the file",
            path.display()
        ),
        Err(error) => format!(
            "the admin token could not be written to {}: {error}; help: `atalaya tokens create NAME` makes another",
            path.display()
        ),
    }
}

fn write_secret(path: &Path, token: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()
}

async fn serve(config: Config) -> Result<Exit, Failure> {
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut hang_up = on(SignalKind::hangup())?;
    let data_dir = config.data_dir.clone();
    let node = Node::start(config).await?;
    if let Some(token) = node.first_admin_token() {
        output::note(&hand_over(token, &data_dir));
    }
    for address in node.gateway_addresses() {
        tracing::info!(%address, "the gateway takes calls");
    }
    tracing::info!(address = %node.admin_address(), "admin API, health, readiness and metrics");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => match node.reload().await {
                Ok(()) => tracing::info!("policy and rules were read again"),
                Err(error) => tracing::error!(%error, "policy and rules stay as they were"),
            },
        }
    }
    tracing::info!("draining");
    node.stop().await?;
    tracing::info!("stopped");
    Ok(Exit::Fine)
}

fn on(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::world("listening to signals", error))
}

fn start_log(config: &Config) -> Result<(), Failure> {
    let level = std::env::var("ATALAYA_LOG").unwrap_or_else(|_| config.log.level.clone());
    let filter = EnvFilter::try_new(&level)
        .map_err(|error| Failure::BadInput(format!("error: log filter `{level}`: {error}")))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match config.log.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|error| Failure::world("starting the log", error))
}
