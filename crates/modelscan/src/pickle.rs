//! Pickles, walked without being run.

mod opcodes;
mod value;
mod walk;

pub(crate) use opcodes::is_opcode;
pub(crate) use walk::{Event, Limits, Malformed, Walker};
