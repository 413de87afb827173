//! What the inspector promises, on data.

mod classifier;
mod conversations;
mod data_types;
mod disguises;
mod patterns;
mod suffixes;
