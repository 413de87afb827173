//! Tuning: making sure that the next alert is worth looking at, with data instead of guesses.
//!
//! [`allow`] names what is known to be good, [`baseline`] what is normal, [`figures`] how well
//! each rule does, [`threshold`] what another threshold would have meant; [`watch`] says aloud who
//! leaves what is normal.

pub mod allow;
pub mod baseline;
pub mod figures;
pub mod threshold;
pub mod watch;
