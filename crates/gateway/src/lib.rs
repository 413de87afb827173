//! The gateway: every call to a model passes here, is judged before it executes, and is logged.
//!
//! `call.rs` is the life of a call as a straight line; each phase has a file: `receive`, `judge`,
//! `record`, `forward`, `relay`. Workers are single-threaded and share nothing that is written
//! on the way of a call. It writes through [`Recorder`] and knows neither journal nor lake.

mod account;
mod actions;
mod answer;
mod approve;
mod arrival;
mod assess;
mod authenticate;
mod back;
mod breaker;
mod call;
mod canary;
mod certificate;
pub mod config;
mod door;
mod end;
mod entropy;
mod evaluate;
mod export;
mod fetch;
mod fingerprint;
mod forward;
mod gateway;
mod judge;
mod judging;
mod keys;
mod metrics;
mod observed;
mod ports;
mod rate_headers;
mod receive;
pub mod record;
mod relay;
mod route;
mod row;
mod seams;
mod send;
mod session;
mod shared;
mod sigv4;
mod socket;
mod upstream;
mod worker;

pub use approve::{APPROVAL_HEADER, ApprovalRequest, Approvals, Pending, Ticket};

pub use canary::{Bearer, CanaryKey};
pub use config::GatewayConfig;
pub use end::DECISION_HEADER;
pub use gateway::{Gateway, Parts, StartError};
pub use metrics::Metrics;
pub use ports::{RecordError, Recorder, SystemWorld, World};
pub use shared::PolicySlot;
pub use upstream::UpstreamConfigError;
