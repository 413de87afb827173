//! Ready-made pipelines: log sources and fields of common targets. The mappings are facts about
//! those products; each file says what it is for.

use super::Pipeline;

/// Name, YAML.
const FILES: &[(&str, &str)] = &[
    ("atalaya", include_str!("builtin/atalaya.yml")),
    ("azure_monitor", include_str!("builtin/azure_monitor.yml")),
    ("ecs_kubernetes", include_str!("builtin/ecs_kubernetes.yml")),
    ("ecs_macos", include_str!("builtin/ecs_macos.yml")),
    ("ecs_windows", include_str!("builtin/ecs_windows.yml")),
    ("microsoft_xdr", include_str!("builtin/microsoft_xdr.yml")),
    ("sentinel_asim", include_str!("builtin/sentinel_asim.yml")),
    ("splunk_cim", include_str!("builtin/splunk_cim.yml")),
    ("splunk_windows", include_str!("builtin/splunk_windows.yml")),
];

/// For rules about this product's log sources, and nothing for all others: what KQL gets where no
/// pipeline is named.
pub const OWN_SOURCES: &str = "own_sources";

/// Its YAML.
const OWN_SOURCES_TEXT: &str = "\
name: own_sources
priority: 20
transformations:
  - type: log_tables
    optional: true
";

/// Their names.
pub const NAMES: &[&str] = &[
    "atalaya",
    "azure_monitor",
    "ecs_kubernetes",
    "ecs_macos",
    "ecs_windows",
    "microsoft_xdr",
    "sentinel_asim",
    "splunk_cim",
    "splunk_windows",
];

/// One of them.
pub(super) fn named(name: &str) -> Option<Pipeline> {
    let name = match name.replace('-', "_").as_str() {
        "ours" | "log_tables" => "atalaya".to_owned(),
        "ecs" => "ecs_windows".to_owned(),
        "asim" => "sentinel_asim".to_owned(),
        "xdr" | "defender_xdr" => "microsoft_xdr".to_owned(),
        "cim" => "splunk_cim".to_owned(),
        other => other.to_owned(),
    };
    if name == OWN_SOURCES {
        return Pipeline::parse(OWN_SOURCES_TEXT).ok();
    }
    let (_, text) = FILES.iter().find(|(known, _)| *known == name)?;
    Pipeline::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{FILES, NAMES};
    use crate::pipeline::Pipeline;

    #[test]
    fn every_ready_made_pipeline_can_be_read() {
        assert_eq!(FILES.len(), NAMES.len());
        for (name, text) in FILES {
            let pipeline = Pipeline::parse(text).unwrap_or_else(|problems| {
                panic!("{name}: {problems:?}");
            });
            assert_eq!(pipeline.name, *name);
        }
        assert!(Pipeline::named(super::OWN_SOURCES).is_some());
    }
}
