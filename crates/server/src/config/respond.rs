//! The section about response: runbooks, ladders, incidents, and who may be told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use atalaya_respond::channels::ChannelConfig;
use atalaya_respond::egress::EgressConfig;
use atalaya_respond::incident::{GroupingConfig, SlaConfig};
use atalaya_respond::ports::SharedContainment;
use atalaya_respond::tuning::watch::BaselineWatch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens when an alert was raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RespondSection {
    /// Whether decisions are counted on ladders and alerts become incidents.
    pub enabled: bool,
    /// Whether runbooks start by themselves; people can start them anyway.
    pub automatic: bool,
    /// What they do against what stands for many callers: a provider's key that an application
    /// passes on, a loopback or private address. `brief`: the session if the application names
    /// one, else everybody behind it for `contain_shared_for_s`; `never`: such steps are skipped,
    /// and say so; `full`: what the runbook says. Callers that are named (virtual keys, tokens,
    /// the protocol's `user`) are contained as the runbook says.
    pub contain_shared: SharedContainment,
    /// How long a brief measure lasts, seconds.
    pub contain_shared_for_s: u64,
    /// Whether the built-in runbooks are in force.
    pub builtin_runbooks: bool,
    /// Folders with runbooks of your own; one with the id of a built-in runbook replaces it.
    pub runbooks: Vec<PathBuf>,
    /// Ids of runbooks that do not start by themselves.
    pub disabled_runbooks: Vec<String>,
    /// Whether the built-in escalation ladders are in force.
    pub builtin_ladders: bool,
    /// Folders with ladders of your own; one with the id of a built-in ladder replaces it.
    pub ladders: Vec<PathBuf>,
    /// How alerts are grouped into incidents.
    pub incidents: GroupingConfig,
    /// Time limits of incidents by severity.
    pub sla: SlaConfig,
    /// When calls of a caller on a route are far beyond what is normal for the hour of the week.
    pub baselines: BaselineWatch,
    /// Where response may connect to.
    pub egress: EgressConfig,
    /// Who can be told, by name: runbooks name `ml-platform`, `incident-response`, `operations`,
    /// `privacy`, `deployments` and `tickets`. A step whose channel is not here is skipped.
    pub channels: BTreeMap<String, ChannelConfig>,
}

impl Default for RespondSection {
    fn default() -> Self {
        Self {
            enabled: true,
            automatic: true,
            contain_shared: SharedContainment::Brief,
            contain_shared_for_s: 300,
            builtin_runbooks: true,
            runbooks: Vec::new(),
            disabled_runbooks: Vec::new(),
            builtin_ladders: true,
            ladders: Vec::new(),
            incidents: GroupingConfig::default(),
            sla: SlaConfig::default(),
            baselines: BaselineWatch::default(),
            egress: EgressConfig::default(),
            channels: BTreeMap::new(),
        }
    }
}
