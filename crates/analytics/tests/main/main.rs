//! The analytics as a user meets them: a quiet week stays quiet, attacks do not.

mod attacks;
mod benign;
mod snapshot;
mod traffic;
