//! The gateway: every call to a model passes here, is judged before it executes, and is logged.
//!
//! `call.rs` is the life of a call as a straight line; each phase has a file: `receive`, `judge`,
//! `record`, `forward`, `relay`. Workers are single-threaded and share nothing that is written
//! on the way of a call. It writes through [`Recorder`] and knows neither journal nor lake.

mod account;
mod answer;
mod arrival;
mod authenticate;
mod back;
mod call;
mod certificate;
pub mod config;
mod door;
mod fetch;
mod forward;
mod gateway;
mod judge;
mod keys;
mod metrics;
mod ports;
mod rate_headers;
mod receive;
pub mod record;
mod relay;
mod route;
mod row;
mod shared;
mod upstream;
mod worker;

pub use call::DECISION_HEADER;
pub use config::GatewayConfig;
pub use gateway::{Gateway, Parts, StartError};
pub use metrics::Metrics;
pub use ports::{RecordError, Recorder, SystemWorld, World};
pub use shared::PolicySlot;
pub use upstream::UpstreamConfigError;
