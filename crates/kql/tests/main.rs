//! KQL as an analyst meets it: what binds, what is refused, and what is said about it.

mod cases;
mod corpus;
mod robust;
