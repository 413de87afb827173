//! The admin HTTP API: what a person, a console or a runbook asks of a node.
//!
//! A [`Resource`] is a list of operations, made by one file in `resources/` (or by any other crate
//! that has something to serve). From the list come the routing, the checks of who may do what,
//! and the OpenAPI document, so that none of them can forget an operation. Errors are problem
//! details (RFC 9457) with a stable `code`.
//!
//! Every operation but the probes needs an admin token. Left out: sessions and passwords, and TLS:
//! the listener is for loopback or a reverse proxy.

mod call;
mod openapi;
mod operation;
mod problem;
mod reply;
pub mod resources;
mod router;
mod server;

pub use call::Call;
pub use operation::{Operation, Resource, Right, with};
pub use problem::Problem;
pub use reply::Reply;
pub use router::Router;
pub use server::{BODY_BYTES_MAX, serve};
