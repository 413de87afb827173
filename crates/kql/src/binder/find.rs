//! `find`: rows of several tables that meet a condition, with the columns that they share and the
//! rest in a bag.

use std::collections::HashSet;
use std::fmt::Write as _;

use atalaya_model::{Span, glob};

use super::Binder;
use super::scope::{Env, Value};
use crate::ast::FindArgs;
use crate::bound::{ColumnDef, RelNode};
use crate::lexer::{Kind, lex};

/// The bag of columns that are not shown.
const PACK: &str = "pack_";

impl Binder<'_> {
    /// A union of the tables that have the condition's columns, written as KQL.
    pub(crate) fn find(&mut self, env: &Env, args: &FindArgs, span: Span) -> Option<RelNode> {
        let condition = args.predicate.span.slice(&self.source).to_owned();
        let mut tables = self.found_tables(env, args)?;
        let mentioned = mentioned(&condition);
        let wanted = |columns: &[ColumnDef]| {
            let has = |name: &String| columns.iter().any(|column| column.name == *name);
            mentioned
                .iter()
                .filter(|name| has(name))
                .cloned()
                .collect::<Vec<_>>()
        };
        // A table without a column of the condition holds no row that meets it.
        let mut all: Vec<String> = Vec::new();
        for name in tables.iter().flat_map(|(_, columns)| wanted(columns)) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        tables.retain(|(_, columns)| all.iter().all(|name| wanted(columns).contains(name)));
        if tables.is_empty() {
            let message = "no table has the columns of this condition".to_owned();
            self.error("KS142", span, message);
            return None;
        }
        let shown = shown(args, &tables, &all);
        let label = args
            .with_source
            .as_ref()
            .map_or("source_", |name| name.text.as_str());
        let packs = args.project.is_none() || args.packs;
        let mut text = "union ".to_owned();
        for (index, (name, columns)) in tables.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            let _ = write!(
                text,
                "{comma}({} | where {condition} | project ",
                quoted(name)
            );
            let _ = write!(text, "{} = '{}'", quoted(label), name.replace('\'', "\\'"));
            for column in &shown {
                let own = columns.iter().find(|own| own.name == column.name);
                let value = match own {
                    Some(own) if own.ty == column.ty => quoted(&own.name),
                    Some(own) => format!("to{}({})", column.ty.name(), quoted(&own.name)),
                    None => format!("{}(null)", column.ty.name()),
                };
                let value = if value == "string(null)" {
                    "''"
                } else {
                    &value
                };
                let _ = write!(text, ", {} = {value}", quoted(&column.name));
            }
            if packs {
                let rest = columns
                    .iter()
                    .filter(|own| !shown.iter().any(|s| s.name == own.name));
                let pair = |own: &ColumnDef| format!("'{}', {}", own.name, quoted(&own.name));
                let pairs: Vec<String> = rest.map(pair).collect();
                let _ = write!(text, ", {PACK} = bag_pack({})", pairs.join(", "));
            }
            text.push(')');
        }
        self.foreign_rows(env, &text, "find", span)
    }

    fn found_tables(
        &mut self,
        env: &Env,
        args: &FindArgs,
    ) -> Option<Vec<(String, Vec<ColumnDef>)>> {
        let known = self.catalog.table_names();
        let mut names: Vec<String> = Vec::new();
        for wanted in &args.tables {
            let before = names.len();
            names.extend(
                known
                    .iter()
                    .filter(|name| glob::matches(&wanted.text, name))
                    .cloned(),
            );
            if matches!(env.get(&wanted.text), Some(Value::Rows(_))) {
                names.push(wanted.text.clone());
            }
            if names.len() == before && !wanted.text.contains('*') {
                let message = format!("there is no table `{}`", wanted.text);
                self.error("KS142", wanted.span, message);
                return None;
            }
        }
        if args.tables.is_empty() {
            names = known;
        }
        let mut tables = Vec::new();
        for name in names {
            let columns = match env.get(&name) {
                Some(Value::Rows(rows)) => rows.schema.clone(),
                _ => self.catalog.table(&name)?,
            };
            tables.push((name, columns));
        }
        Some(tables)
    }
}

/// Columns in the result: those of the projection, or those of the condition.
fn shown(
    args: &FindArgs,
    tables: &[(String, Vec<ColumnDef>)],
    conditions: &[String],
) -> Vec<ColumnDef> {
    let first = |name: &str| {
        let mut columns = tables.iter().flat_map(|(_, columns)| columns);
        columns.find(|column| column.name == name).cloned()
    };
    let Some(project) = &args.project else {
        let mut shown: Vec<ColumnDef> = Vec::new();
        for name in conditions {
            if !shown.iter().any(|known| known.name == *name) {
                shown.extend(first(name));
            }
        }
        return shown;
    };
    let column = |(name, ty): &(crate::ast::Name, Option<crate::ast::Name>)| {
        let known = first(&name.text);
        let declared = ty
            .as_ref()
            .and_then(|ty| crate::bound::Type::parse(&ty.text));
        let ty = declared.or(known.as_ref().map(|known| known.ty));
        ColumnDef {
            name: name.text.clone(),
            ty: ty.unwrap_or(crate::bound::Type::String),
            range: None,
        }
    };
    project.iter().map(column).collect()
}

fn mentioned(condition: &str) -> Vec<String> {
    let tokens = lex(condition).0;
    let names = tokens.iter().filter(|token| token.kind == Kind::Name);
    let mut seen = HashSet::new();
    names
        .map(|token| token.span.slice(condition))
        .filter(|name| seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

fn quoted(name: &str) -> String {
    format!("['{}']", name.replace('\'', "\\'"))
}
