//! The optimiser's rules that have something to do here.

use std::sync::Arc;

use datafusion::optimizer::{Optimizer, OptimizerRule};

/// Rules about what the lowering never makes: subqueries (a row set within an expression is run
/// before, or joined), lateral joins, set comparisons, fields of structures. Each would walk every
/// plan several times.
const IDLE: [&str; 7] = [
    "rewrite_set_comparison",
    "unions_to_filter",
    "decorrelate_predicate_subquery",
    "scalar_subquery_to_join",
    "decorrelate_lateral_join",
    "extract_leaf_expressions",
    "push_down_leaf_projections",
];

/// The others, in their order.
pub(super) fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    rules.retain(|rule| !IDLE.contains(&rule.name()));
    rules
}

#[cfg(test)]
mod tests {
    use super::{IDLE, Optimizer, rules};

    #[test]
    fn every_rule_that_is_left_out_is_one_that_there_is() {
        assert_eq!(rules().len() + IDLE.len(), Optimizer::new().rules.len());
    }
}
