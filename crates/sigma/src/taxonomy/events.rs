//! The log source of an event, by what the event itself says.
//!
//! | event | log source |
//! |---|---|
//! | `logsource.product`, `.category`, `.service` | as said |
//! | `Channel` (Windows) | `windows`, the channel's service, and the category by `EventID` |
//! | `Type`, `TableName` or `table` with the name of a log table | the table's sources |
//!
//! An event that says nothing may match every rule.

use super::SOURCES;
use crate::ir::LogSource;

/// Channel of Windows and service of Sigma.
const CHANNELS: &[(&str, &str)] = &[
    ("Security", "security"),
    ("System", "system"),
    ("Application", "application"),
    ("Windows PowerShell", "powershell-classic"),
    ("Microsoft-Windows-PowerShell/Operational", "powershell"),
    ("PowerShellCore/Operational", "powershell"),
    ("Microsoft-Windows-Sysmon/Operational", "sysmon"),
    (
        "Microsoft-Windows-Windows Defender/Operational",
        "windefend",
    ),
    (
        "Microsoft-Windows-TaskScheduler/Operational",
        "taskscheduler",
    ),
    ("Microsoft-Windows-WMI-Activity/Operational", "wmi"),
    ("Microsoft-Windows-Bits-Client/Operational", "bits-client"),
    ("Microsoft-Windows-NTLM/Operational", "ntlm"),
    (
        "Microsoft-Windows-CodeIntegrity/Operational",
        "codeintegrity-operational",
    ),
    ("Microsoft-Windows-AppLocker/EXE and DLL", "applocker"),
    ("Microsoft-Windows-DNS-Client/Operational", "dns-client"),
    ("DNS Server", "dns-server"),
    ("Directory Service", "ldap"),
];

/// Service, number of the event and categories of Sigma.
const CATEGORIES: &[(&str, u32, &[&str])] = &[
    ("sysmon", 1, &["process_creation"]),
    ("sysmon", 2, &["file_change"]),
    ("sysmon", 3, &["network_connection"]),
    ("sysmon", 4, &["sysmon_status"]),
    ("sysmon", 5, &["process_termination"]),
    ("sysmon", 6, &["driver_load"]),
    ("sysmon", 7, &["image_load"]),
    ("sysmon", 8, &["create_remote_thread"]),
    ("sysmon", 9, &["raw_access_thread"]),
    ("sysmon", 10, &["process_access"]),
    ("sysmon", 11, &["file_event"]),
    (
        "sysmon",
        12,
        &["registry_add", "registry_delete", "registry_event"],
    ),
    ("sysmon", 13, &["registry_set", "registry_event"]),
    ("sysmon", 14, &["registry_rename", "registry_event"]),
    ("sysmon", 15, &["create_stream_hash"]),
    ("sysmon", 17, &["pipe_created"]),
    ("sysmon", 18, &["pipe_created"]),
    ("sysmon", 19, &["wmi_event"]),
    ("sysmon", 20, &["wmi_event"]),
    ("sysmon", 21, &["wmi_event"]),
    ("sysmon", 22, &["dns_query"]),
    ("sysmon", 23, &["file_delete"]),
    ("sysmon", 24, &["clipboard_capture"]),
    ("sysmon", 25, &["process_tampering"]),
    ("sysmon", 26, &["file_delete"]),
    ("sysmon", 27, &["file_block"]),
    ("sysmon", 28, &["file_block_shredding"]),
    ("sysmon", 29, &["file_executable_detected"]),
    ("security", 4688, &["process_creation"]),
    ("security", 4657, &["registry_set", "registry_event"]),
    ("powershell", 4103, &["ps_module"]),
    ("powershell", 4104, &["ps_script"]),
    ("powershell-classic", 400, &["ps_classic_start"]),
    ("powershell-classic", 600, &["ps_classic_provider_start"]),
    ("powershell-classic", 800, &["ps_classic_script"]),
];

/// Fields that [`source_of`] asks for.
pub const SOURCE_FIELDS: &[&str] = &[
    "logsource.product",
    "logsource.category",
    "logsource.service",
    "Channel",
    "EventID",
    "Type",
    "TableName",
    "table",
];

/// The log sources that an event may be of; empty if it does not say.
pub fn source_of(value: &mut dyn FnMut(&str) -> Option<String>) -> Vec<LogSource> {
    let product = value("logsource.product").unwrap_or_default();
    let category = value("logsource.category").unwrap_or_default();
    let service = value("logsource.service").unwrap_or_default();
    if !product.is_empty() || !category.is_empty() || !service.is_empty() {
        return vec![source(&product, &category, &service)];
    }
    if let Some(channel) = value("Channel") {
        let number = value("EventID").and_then(|number| number.trim().parse().ok());
        // Our tables have a column of that name as well.
        let sources = of_windows(&channel, number.unwrap_or(0));
        if !sources.is_empty() {
            return sources;
        }
    }
    let table = value("Type")
        .or_else(|| value("TableName"))
        .or_else(|| value("table"));
    table.map(|table| of_table(&table)).unwrap_or_default()
}

fn source(product: &str, category: &str, service: &str) -> LogSource {
    LogSource {
        product: product.to_owned(),
        category: category.to_owned(),
        service: service.to_owned(),
        definition: String::new(),
    }
}

fn of_windows(channel: &str, number: u32) -> Vec<LogSource> {
    let service = CHANNELS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(channel));
    let Some((_, service)) = service else {
        return Vec::new();
    };
    let categories = CATEGORIES
        .iter()
        .filter(|(of, n, _)| of == service && *n == number);
    let mut sources: Vec<LogSource> = categories
        .flat_map(|(.., categories)| categories.iter())
        .map(|category| source("windows", category, service))
        .collect();
    if sources.is_empty() {
        sources.push(source("windows", "", service));
    }
    sources
}

fn of_table(table: &str) -> Vec<LogSource> {
    let known = SOURCES.iter().filter(|(.., name)| *name == table);
    known
        .flat_map(|(product, kind, _)| [source(product, kind, kind)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::source_of;

    #[test]
    fn an_event_says_where_it_comes_from() {
        let of = |pairs: &[(&str, &str)]| {
            let mut value = |name: &str| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let sources = source_of(&mut value).into_iter();
            let lines: Vec<String> = sources
                .map(|s| format!("{}/{}/{}", s.product, s.category, s.service))
                .collect();
            lines.join(" ")
        };
        let sysmon = "Microsoft-Windows-Sysmon/Operational";
        assert_eq!(
            of(&[("Channel", sysmon), ("EventID", "1")]),
            "windows/process_creation/sysmon"
        );
        assert_eq!(
            of(&[("Channel", "Security"), ("EventID", "4624")]),
            "windows//security"
        );
        assert!(of(&[("Type", "AIGuardrailDecisions")]).contains("ai_gateway/decision/decision"));
        assert_eq!(of(&[("logsource.product", "linux")]), "linux//");
        assert_eq!(of(&[("Channel", "Mine")]), "");
    }
}
