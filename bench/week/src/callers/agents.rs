//! Agents with many tool calls: coders, desks, planners that delegate.

use serde_json::{Value, json};

use super::Caller;
use crate::events::Call;
use crate::options::Mix;
use crate::rows::{HOUR, SECOND, Week};

/// Tool, risk, class of arguments, class of path, domain.
type Tool = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const CODER: &[Tool] = &[
    ("read_file", "low", "path", "project", ""),
    ("read_file", "low", "path", "project", ""),
    ("edit_file", "low", "path", "project", ""),
    ("search", "low", "text", "", ""),
    ("bash", "low", "shell", "project", ""),
    ("run_tests", "low", "shell", "project", ""),
    ("python", "low", "python", "temp", ""),
    ("fetch_docs", "low", "url", "", "docs.rs"),
    ("delete_file", "destructive", "path", "project", ""),
];
const DESK: &[Tool] = &[
    ("read_mail", "sensitive_read", "text", "", ""),
    ("search_crm", "sensitive_read", "text", "", ""),
    ("lookup_order", "low", "text", "", ""),
    ("send_mail", "outbound", "text", "", "mail.corp.example"),
    ("update_ticket", "low", "text", "", ""),
    ("create_event", "low", "text", "", ""),
];
const ANALYST: &[Tool] = &[
    ("query_db", "sensitive_read", "sql", "", ""),
    ("query_db", "sensitive_read", "sql", "", ""),
    ("plot", "low", "python", "temp", ""),
    ("write_report", "low", "text", "project", ""),
    ("post_message", "outbound", "text", "", "chat.corp.example"),
];
const PLANNER: &[Tool] = &[
    ("delegate", "low", "text", "", ""),
    ("search", "low", "text", "", ""),
    ("fetch", "low", "url", "", "news.example"),
    ("remember", "low", "text", "", ""),
];

/// What some of them get in the middle of the week.
const NEW: &[Tool] = &[
    (
        "open_pull_request",
        "outbound",
        "text",
        "",
        "git.corp.example",
    ),
    ("query_warehouse", "sensitive_read", "sql", "", ""),
    ("run_playbook", "config", "text", "", ""),
];

pub(super) fn day(caller: &mut Caller, week: &mut Week, midnight: i64, is_weekend: bool) {
    let tasks = if is_weekend {
        1
    } else {
        5 + caller.random.below(14)
    };
    let tasks = caller.volume(tasks);
    for task in 0..tasks {
        let start =
            midnight + (8 - caller.zone).rem_euclid(24) * HOUR + caller.random.below(10 * HOUR);
        work(caller, week, start, task);
    }
    // One that looks at a page every few minutes, day and night.
    if caller.number % 8 == 5 && (caller.number % 16 == 5 || midnight >= super::NEW_MODEL) {
        watch(caller, week, midnight);
    }
}

fn watch(caller: &mut Caller, week: &mut Week, midnight: i64) {
    let tool = ("fetch", "low", "url", "", "status.corp.example");
    for number in 0..288 {
        let time = midnight + number * 300 * SECOND + caller.random.below(4 * SECOND);
        let mut call = Call::chat(time, "coder-2", &mut caller.random);
        let trace = format!("watch-{}-{}", caller.number, midnight / HOUR);
        call.template = format!("agent-watch-{}", caller.number);
        call.session.clone_from(&trace);
        call.inference = row(caller, tool, &trace, number % 5 + 1);
        caller.send(week, call);
    }
}

fn work(caller: &mut Caller, week: &mut Week, start: i64, task: i64) {
    let tools = [CODER, DESK, ANALYST, PLANNER][usize::try_from(caller.number).unwrap_or(0) % 4];
    let steps = 3 + caller
        .random
        .below(if caller.mix == Mix::Busy { 45 } else { 25 });
    let trace = format!("task-{}-{start}-{task}", caller.number);
    let mut time = start;
    for step in 1..=steps {
        time += 3 * SECOND + caller.random.below(25 * SECOND);
        let has_new = caller.number % 3 == 0 && time >= super::NEW_TOOLS;
        let tools = if has_new && caller.random.once_in(6) {
            NEW
        } else {
            tools
        };
        let tool = caller.random.of(tools).copied().unwrap_or(tools[0]);
        let mut call = Call::chat(time, "coder-2", &mut caller.random);
        call.template = format!("agent-{}", caller.number % 4);
        call.session.clone_from(&trace);
        call.tokens = (3_000 + step * 800, 80 + caller.random.below(400));
        call.inference = row(caller, tool, &trace, step);
        call.decision = json!({"TraceId": trace, "AgentId": format!("agent-{}", caller.number), "ToolName": tool.0});
        call.access = json!({"TraceId": trace, "AgentId": format!("agent-{}", caller.number)});
        caller.send(week, call);
    }
}

fn row(caller: &mut Caller, tool: Tool, trace: &str, step: i64) -> Value {
    let mut row = json!({
        "TraceId": trace, "AgentId": format!("agent-{}", caller.number), "ToolName": tool.0, "ToolRisk": tool.1,
        "ToolArgsClass": tool.2, "ToolApproved": true, "StepIndex": step, "ToolArgsHash": format!("{:08x}", caller.random.next() % 900_000),
        "OutputClass": "text", "ToolDefSha256": format!("def-{}-1", tool.0),
    });
    // Nor is there a register of tools everywhere.
    if caller.mix == Mix::Uniform {
        row["ToolApproved"] = Value::Null;
    }
    if !tool.3.is_empty() {
        row["PathClass"] = json!(tool.3);
    }
    if !tool.4.is_empty() {
        row["DestDomain"] = json!(tool.4);
        // Whether anybody checks destinations differs from company to company.
        if caller.mix != Mix::Uniform {
            row["DestApproved"] = json!(true);
        }
    }
    if tool.0 == "delegate" {
        row["PeerAgentId"] = json!(format!("helper-{}", caller.random.below(3)));
    }
    if tool.0 == "remember" {
        row["MemoryOp"] = json!("write");
    }
    if tool.0 == "search_crm" && caller.random.once_in(4) {
        row["SecretTypes"] = json!(["email"]);
    }
    row
}
