//! What the inspector promises, on data.

mod classifier;
mod patterns;
