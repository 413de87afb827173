//! Row sets that are computed once, ordered as they are, or only run: `materialize`, `as`,
//! `serialize`, `consume`.

use atalaya_model::Span;

use super::Binder;
use super::scope::Env;
use crate::ast::{Name, NamedExpr};
use crate::bound::{RelNode, RelOp};

impl Binder<'_> {
    /// Groups that later operators mention are computed once.
    pub(super) fn shared_if_used(&mut self, node: RelNode, name: &Name, after: usize) -> RelNode {
        let rest = self.source.get(after..).unwrap_or_default();
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let is_used = rest.split(|c| !is_name(c)).any(|word| word == name.text);
        if is_used && is_grouped(&node) {
            return self.share(node);
        }
        node
    }

    pub(crate) fn share(&mut self, node: RelNode) -> RelNode {
        let shared = RelNode {
            op: RelOp::Materialized(self.materialized.len()),
            schema: node.schema.clone(),
            span: node.span,
            serialized: false,
        };
        self.materialized.push(node);
        shared
    }

    pub(super) fn serialize(
        &mut self,
        env: &Env,
        node: RelNode,
        list: &[NamedExpr],
        span: Span,
    ) -> Option<RelNode> {
        let schema = node.schema.clone();
        let op = RelOp::Serialize(Box::new(node));
        let node = RelNode {
            op,
            schema,
            span,
            serialized: true,
        };
        if list.is_empty() {
            Some(node)
        } else {
            self.extend(env, node, list, span)
        }
    }

    /// Runs its input and answers no row.
    pub(super) fn consume(node: RelNode, span: Span) -> RelNode {
        let schema = node.schema.clone();
        let op = RelOp::Take {
            input: Box::new(node),
            count: 0,
        };
        RelNode {
            op,
            schema,
            span,
            serialized: true,
        }
    }
}

/// Whether rows are groups of other rows, and so fewer than those.
fn is_grouped(node: &RelNode) -> bool {
    match &node.op {
        RelOp::Aggregate { .. } => true,
        RelOp::Project { input, .. } | RelOp::Filter { input, .. } => is_grouped(input),
        _ => false,
    }
}
