//! What a rule becomes, and what is said about it.

mod cases;
mod seed;
