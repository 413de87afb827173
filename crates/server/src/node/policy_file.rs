//! Looks whether the configured policy file has changed, and takes it over whole or not at all.
//!
//! Asking for size and time once a second works on every file system, also on mounted
//! configuration, where notifications do not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use atalaya_control::Control;

use crate::config::Config;
use crate::open;

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches until told to stop.
pub(super) async fn watch(path: PathBuf, control: Arc<Control>, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let config = Config {
        policy: Some(path.clone()),
        ..Config::default()
    };
    let mut seen = stamp(&path).await;
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let now = stamp(&path).await;
        if now == seen || now.is_none() {
            continue;
        }
        seen = now;
        if let Err(error) = open::adopt_policy(&config, &control).await {
            tracing::error!(%error, "the policy stays as it was");
        }
    }
}

/// Size and time of change; nothing while the file is being replaced.
async fn stamp(path: &std::path::Path) -> Option<(u64, SystemTime)> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}
