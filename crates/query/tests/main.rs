//! Behaviour of the engine as an analyst sees it.

mod cases;
mod engine;
mod recorded;
mod seed;
mod support;
