//! From alert to closed incident.
//!
//! An alert becomes part of an incident ([`incident`]), and may start a runbook ([`runbook`]): a
//! file that says what is done, in which order, on which condition, and who is asked first. A run
//! is a persisted saga ([`saga`]) that survives a crash at any step. What it can do are actions
//! ([`actions`]), and whatever leaves the process goes through one policy ([`egress`]).
//! [`ladder`] watches decisions as they are written, so that a burst is answered within a second.
//! [`evidence`] keeps what happened so that it stands up later; [`tuning`] and [`review`] make
//! sure that the next alert is worth looking at.
//!
//! Left out: the gateway, the query engine, the keys and the configuration file. They stand behind
//! [`ports`], which `server` fills.

pub mod actions;
pub mod cacao;
pub mod channels;
mod condition;
pub mod context;
pub mod duration;
pub mod egress;
pub mod evidence;
mod ids;
pub mod incident;
pub mod ladder;
pub mod overdue;
pub mod ports;
pub mod responder;
pub mod review;
pub mod runbook;
pub mod saga;
pub mod tuning;
mod typed;
pub mod watchlist;

pub use condition::Condition;
pub use ids::{hex, sha256_hex, unhex, uuid_of};
