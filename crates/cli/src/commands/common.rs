//! Where the data is: flags that several commands share.

use std::path::PathBuf;

use atalaya_server::config::Config;

use crate::exit::Failure;

/// Where configuration and data are.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Place {
    /// Configuration file; without one, defaults.
    #[arg(long, short, env = "ATALAYA_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Data folder; wins over the configuration.
    #[arg(long, env = "ATALAYA_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

impl Place {
    /// The configuration in force.
    ///
    /// # Errors
    /// Bad input with file, line and caret.
    pub(crate) fn load(&self) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(path) => load_file(path)?,
            None => Config::default(),
        };
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        Ok(config)
    }
}

/// Reads a configuration file.
///
/// # Errors
/// Bad input with file, line and caret.
pub(crate) fn load_file(path: &std::path::Path) -> Result<Config, Failure> {
    let text = read(path)?;
    Config::parse(&text).map_err(|diagnostics| {
        Failure::diagnostics(&path.display().to_string(), &text, &diagnostics)
    })
}

/// Reads a file that a person named.
///
/// # Errors
/// Bad input: the person named something that cannot be read.
pub(crate) fn read(path: &std::path::Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::BadInput(format!("error: cannot read {}: {error}", path.display()))
    })
}

/// The runtime for commands that wait for the network or a query.
///
/// # Errors
/// When the system refuses threads.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::world("starting the runtime", error))
}
