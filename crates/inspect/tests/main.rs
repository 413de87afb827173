//! What the inspector promises, on data.

mod patterns;
