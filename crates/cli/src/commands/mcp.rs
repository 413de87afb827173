//! `atalaya mcp wrap`: an MCP server that speaks over standard input and output, looked at.

use std::path::Path;

use atalaya_companion::{Client, Judge, NodeJudge, Wrap};

use super::node::{WhichNode, bad};
use crate::exit::{Exit, Failure};

/// Stand between an MCP client and a server
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Wrap(WrapArgs),
}

/// Run an MCP server over standard input and output, and look at every message
///
/// Requests, tool definitions and results are decided and logged by a node; what is blocked is
/// answered with a JSON-RPC error and not passed on, and neither is what cannot be decided. The
/// server's standard error and exit code are passed on.
#[derive(Debug, clap::Args)]
pub(crate) struct WrapArgs {
    /// Longest message, bytes; longer ones are refused.
    #[arg(long, default_value_t = 10 << 20)]
    line_bytes_max: usize,
    /// Conversation that the messages belong to; one for each start by default.
    #[arg(long)]
    session: Option<String>,
    #[command(flatten)]
    node: WhichNode,
    /// The server and its arguments, after `--`.
    #[arg(required = true, last = true)]
    command: Vec<String>,
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    let Command::Wrap(args) = command;
    let node = args.node.reach()?;
    let name = args.command.first().map_or("", String::as_str);
    let name = Path::new(name).file_name().unwrap_or_default();
    let application = format!("mcp:{}", name.to_string_lossy());
    let asked = node
        .asked
        .clone()
        .with("x-atalaya-application", &application)
        .map_err(bad)?;
    let session = args.session.clone().unwrap_or_else(session);
    let judge = || -> Result<Box<dyn Judge>, Failure> {
        let client = Client::new(asked.clone()).map_err(bad)?;
        Ok(Box::new(NodeJudge::new(client, session.clone())))
    };
    let wrap = Wrap {
        command: args.command.clone(),
        line_bytes_max: args.line_bytes_max,
    };
    let judges = [judge()?, judge()?];
    let ended = wrap.run((std::io::stdin(), std::io::stdout()), judges);
    node.end()?;
    let ended = ended.map_err(|error| Failure::world("wrapping the server", error))?;
    Ok(Exit::Of(ended.code))
}

/// Unlike any other on this machine for long enough.
fn session() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("mcp-{}-{}", now.as_micros(), std::process::id())
}
