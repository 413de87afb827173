//! What does not pass through a gateway is asked about: texts and calls with `/v1/evaluate`, and the
//! messages of an MCP server that speaks over standard input and output.
//!
//! Whatever cannot be asked about is not passed on. Left out: deciding (the node does), finding a
//! node.

mod client;
mod lines;
mod mcp;
mod wrap;

pub use client::{Client, ClientError, Evaluated, Node};
pub use lines::{Line, Lines};
pub use mcp::{Judge, Judgement, NodeJudge, Side};
pub use wrap::{Ended, Wrap, WrapError};
