//! Which node is asked: one that runs, or one of this command's own in a folder of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use atalaya_companion::Node as Asked;
use atalaya_server::config::Config;
use atalaya_server::node::Node;
use tokio::runtime::Runtime;

use super::common::{load_file, runtime};
use crate::exit::Failure;

/// Flags that say which node decides.
#[derive(Debug, clap::Args)]
pub(crate) struct WhichNode {
    /// Gateway that decides and logs; the one of the configuration by default.
    #[arg(
        long,
        env = "ATALAYA_NODE",
        value_name = "URL",
        conflicts_with = "data_dir"
    )]
    node: Option<String>,
    /// Key for it, as `atalaya keys create` made it.
    #[arg(long, env = "ATALAYA_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Certificate authority (PEM) of an https node, instead of the public ones.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Decide here and log into this folder, without a running node.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file; without one, defaults.
    #[arg(long, short, env = "ATALAYA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A node that can be asked.
pub(crate) struct Reachable {
    pub(crate) asked: Asked,
    own: Option<(Runtime, Node)>,
}

impl WhichNode {
    /// Finds the node, or starts one of this command's own.
    ///
    /// # Errors
    /// When the configuration is wrong, or the folder is in use.
    pub(crate) fn reach(&self) -> Result<Reachable, Failure> {
        let config = match &self.config {
            Some(path) => load_file(path)?,
            None => Config::default(),
        };
        let (url, own) = match (&self.node, &self.data_dir) {
            (Some(url), _) => (url.clone(), None),
            (None, None) => (address_of(&config)?, None),
            (None, Some(folder)) => {
                let runtime = runtime()?;
                let node = runtime.block_on(Node::start(alone(config, folder.clone())))?;
                let address = node.gateway_addresses().first().copied();
                let address = address
                    .ok_or_else(|| Failure::CouldNotRun("the node does not listen".to_owned()))?;
                (format!("http://{address}"), Some((runtime, node)))
            }
        };
        let mut asked = Asked::new(&url, self.ca_file.as_deref()).map_err(bad)?;
        if let Some(key) = &self.key {
            asked = asked.with("x-atalaya-key", key).map_err(bad)?;
        }
        Ok(Reachable { asked, own })
    }
}

impl Reachable {
    /// Ends a node of this command's own, so that all of its log is in the tables.
    ///
    /// # Errors
    /// When the last flush fails.
    pub(crate) fn end(self) -> Result<(), Failure> {
        if let Some((runtime, node)) = self.own {
            runtime.block_on(node.stop())?;
        }
        Ok(())
    }
}

/// A wrong flag.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn bad(error: atalaya_companion::ClientError) -> Failure {
    Failure::BadInput(format!("error: {error}"))
}

fn address_of(config: &Config) -> Result<String, Failure> {
    let Some(listen) = config.gateway.listen.first() else {
        return Err(Failure::BadInput(
            "error: the gateway listens nowhere; name a node with --node".to_owned(),
        ));
    };
    let scheme = if config.gateway.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let mut address = *listen;
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    Ok(format!("{scheme}://{address}"))
}

/// A node that forwards nothing and is known to nobody else.
fn alone(mut config: Config, folder: PathBuf) -> Config {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.data_dir = folder;
    config.gateway.listen = vec![anywhere];
    config.gateway.tls = None;
    config.gateway.routes.clear();
    config.gateway.workers = 1;
    config.admin.listen = anywhere;
    config
}
