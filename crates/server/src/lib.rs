//! The composition root: one configuration, one node, and the adapters that join the crates.
//!
//! Nothing here decides anything. `config` says what a node is made of, `node` starts and stops
//! it, `adapters` lets the gateway write the journal, the engine read the lake and rules reach
//! both; `demo` drives a node with real traffic and holds it to its promises.

pub mod adapters;
pub mod config;
pub mod demo;
pub mod laboratory;
pub mod node;
pub mod open;
pub mod replay;
pub mod respond;
