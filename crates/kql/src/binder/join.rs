//! `join` and `lookup`.

use atalaya_model::Span;

use super::Binder;
use super::names::Namer;
use super::project::{columns, projected};
use super::scope::Env;
use crate::ast::{self, ExprKind, JoinArgs};
use crate::bound::{ColumnDef, JoinKind, RelNode, RelOp, Type};

impl Binder<'_> {
    pub(crate) fn join(
        &mut self,
        env: &Env,
        left: RelNode,
        args: &JoinArgs,
        span: Span,
    ) -> Option<RelNode> {
        let kind = match &args.kind {
            None => JoinKind::InnerUnique,
            Some(name) => match join_kind(&name.text) {
                Some(kind) => kind,
                None => {
                    let message = format!("`{}` is no kind of join", name.text);
                    let help = "inner, innerunique, leftouter, rightouter, fullouter, leftsemi, \
                                rightsemi, leftanti or rightanti";
                    self.error_help("KS107", name.span, message, help.to_owned());
                    return None;
                }
            },
        };
        let right = self.pipeline(env, &args.right)?;
        let keys = self.keys(&left, &right, &args.on)?;
        Some(joined(left, right, kind, keys, span))
    }

    pub(crate) fn lookup(
        &mut self,
        env: &Env,
        left: RelNode,
        args: &JoinArgs,
        span: Span,
    ) -> Option<RelNode> {
        let kind = match args.kind.as_ref().map(|name| name.text.as_str()) {
            None | Some("leftouter") => JoinKind::LeftOuter,
            Some("inner") => JoinKind::Inner,
            Some(other) => {
                let message = format!("`lookup` has no kind `{other}`");
                self.error_help("KS107", span, message, "leftouter or inner".to_owned());
                return None;
            }
        };
        let right = self.pipeline(env, &args.right)?;
        let keys = self.keys(&left, &right, &args.on)?;
        let left_count = left.schema.len();
        let dropped: Vec<usize> = keys.iter().map(|(_, right)| left_count + right).collect();
        let joined = joined(left, right, kind, keys, span);
        // The right side's keys say nothing new.
        let (exprs, schema) = columns(&joined)
            .into_iter()
            .zip(joined.schema.clone())
            .enumerate()
            .filter(|(index, _)| !dropped.contains(index))
            .map(|(_, pair)| pair)
            .unzip();
        Some(projected(joined, exprs, schema, span))
    }

    fn keys(
        &mut self,
        left: &RelNode,
        right: &RelNode,
        on: &[ast::Expr],
    ) -> Option<Vec<(usize, usize)>> {
        // That there is no condition has been said.
        if on.is_empty() {
            return None;
        }
        let mut keys = Vec::new();
        for condition in on {
            self.condition(left, right, condition, &mut keys)?;
        }
        Some(keys)
    }

    fn condition(
        &mut self,
        left: &RelNode,
        right: &RelNode,
        condition: &ast::Expr,
        keys: &mut Vec<(usize, usize)>,
    ) -> Option<()> {
        let pair = match &condition.kind {
            ExprKind::Name(name) => (
                self.key(left, name, condition.span, "left")?,
                self.key(right, name, condition.span, "right")?,
            ),
            ExprKind::Binary(operator, a, b) if operator == "and" => {
                self.condition(left, right, a, keys)?;
                return self.condition(left, right, b, keys);
            }
            ExprKind::Binary(operator, a, b) if operator == "==" => match (&a.kind, &b.kind) {
                (ExprKind::Side(true, l), ExprKind::Side(false, r))
                | (ExprKind::Side(false, r), ExprKind::Side(true, l)) => (
                    self.key(left, &l.text, l.span, "left")?,
                    self.key(right, &r.text, r.span, "right")?,
                ),
                _ => return self.bad_condition(condition.span),
            },
            _ => return self.bad_condition(condition.span),
        };
        let (l, r) = (&left.schema[pair.0], &right.schema[pair.1]);
        let fits = l.ty == r.ty || (l.ty.is_numeric() && r.ty.is_numeric());
        if !fits || l.ty == Type::Dynamic {
            let message = format!(
                "`{}` ({}) and `{}` ({}) cannot be joined",
                l.name,
                l.ty.name(),
                r.name,
                r.ty.name()
            );
            self.error("KS116", condition.span, message);
            return None;
        }
        keys.push(pair);
        Some(())
    }

    fn key(&mut self, side: &RelNode, name: &str, span: Span, which: &str) -> Option<usize> {
        let found = side.schema.iter().position(|column| column.name == name);
        if found.is_none() {
            let near = self.nearest(name, side.schema.iter().map(|column| column.name.as_str()));
            let message = format!("the {which} side has no column `{name}`");
            match near {
                Some(near) => {
                    self.error_help("KS142", span, message, format!("did you mean `{near}`?"));
                }
                None => self.error("KS142", span, message),
            }
        }
        found
    }

    fn bad_condition(&mut self, span: Span) -> Option<()> {
        let message = "a join compares columns for equality".to_owned();
        let help = "write `on Name` or `on $left.A == $right.B`".to_owned();
        self.error_help("KS107", span, message, help);
        None
    }
}

fn join_kind(name: &str) -> Option<JoinKind> {
    Some(match name {
        "innerunique" => JoinKind::InnerUnique,
        "inner" => JoinKind::Inner,
        "leftouter" => JoinKind::LeftOuter,
        "rightouter" => JoinKind::RightOuter,
        "fullouter" => JoinKind::FullOuter,
        "leftsemi" => JoinKind::LeftSemi,
        "rightsemi" => JoinKind::RightSemi,
        "leftanti" | "anti" | "leftantisemi" => JoinKind::LeftAnti,
        "rightanti" | "rightantisemi" => JoinKind::RightAnti,
        _ => return None,
    })
}

fn joined(
    left: RelNode,
    right: RelNode,
    kind: JoinKind,
    keys: Vec<(usize, usize)>,
    span: Span,
) -> RelNode {
    let schema = match kind {
        JoinKind::LeftSemi | JoinKind::LeftAnti => left.schema.clone(),
        JoinKind::RightSemi | JoinKind::RightAnti => right.schema.clone(),
        _ => {
            let mut namer = Namer::with(&left.schema);
            let mut schema = left.schema.clone();
            for column in &right.schema {
                let name = namer.name(Some(column.name.clone()));
                schema.push(ColumnDef {
                    name,
                    ..column.clone()
                });
            }
            schema
        }
    };
    let op = RelOp::Join {
        left: Box::new(left),
        right: Box::new(right),
        kind,
        keys,
    };
    RelNode {
        op,
        schema,
        span,
        serialized: false,
    }
}
