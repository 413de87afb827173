//! Crafted files: none with a disallowed global passes, none that is malformed crashes.

mod archives;
mod assembler;
mod evasions;
mod formats;
mod mutations;
mod signatures;
