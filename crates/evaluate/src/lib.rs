//! Evaluation of detectors on labelled texts: what is caught, what is disturbed for nothing.
//!
//! The same file gives the same figures on every machine: scores are whole numbers and ties are
//! counted, not drawn. Texts are judged one by one (conversations as a whole), as the gateway would
//! judge them, with the policy's decision beside the score. How long that took is reported too, and
//! is the only thing that differs from run to run.
//!
//! Left out: confidence intervals, and anything that would repeat a text: worst cases are named
//! by their ids.

mod dataset;
mod html;
mod metrics;
mod report;

pub use self::dataset::{Case, Dataset, DatasetError, read_cases};
pub use self::metrics::{Curve, Figures, Pool};
pub use self::report::{ByDecision, Judged, Latency, Report, Row, evaluate};
