//! From a result row back to the records behind it.
//!
//! A rule's query ends in a summary: "this caller, eleven times". An analyst needs the eleven.
//! The text of the query up to its first aggregation still sees single records; filtered by the
//! group keys of the row, it is the query for the evidence. Where a projection drops the
//! record's id before that point, the id is added to it. Nothing else of the text is touched, so
//! the derived query sees exactly what the rule saw.
//!
//! Values of a row come from callers and are quoted as literals; see [`literal`].

mod literal;

use atalaya_tables::Table as LogTable;
use serde_json::Value;

use crate::pipeline::{
    Stage, assignment, identifiers, is_identifier, items, split_by, stages, statements,
};
use crate::port::Table;
use literal::equality;

/// Names of the columns of an evidence query.
pub(crate) const FIRST_SEEN: &str = "FirstSeen_";
pub(crate) const LAST_SEEN: &str = "LastSeen_";
pub(crate) const RECORDS: &str = "Records_";
pub(crate) const IDS: &str = "Ids_";

/// Operators after which a row is no longer a record.
const AGGREGATIONS: &[&str] = &[
    "summarize",
    "distinct",
    "count",
    "make-series",
    "top-nested",
    "top-hitters",
    "reduce",
    "evaluate",
    "getschema",
    "mv-apply",
];

/// Known log tables that a query names, in order of appearance.
pub(crate) fn tables_of(query: &str) -> Vec<&'static LogTable> {
    let mut found: Vec<&'static LogTable> = Vec::new();
    for word in identifiers(query) {
        if let Some(table) = atalaya_tables::find(word)
            && !found.iter().any(|t| t.name == table.name)
        {
            found.push(table);
        }
    }
    found
}

/// One thing that rows were grouped by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    /// Expression over the record's columns.
    expression: String,
    /// Name that the aggregation gives it.
    name: String,
}

/// How to find the records behind a row of a rule's query.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Everything before the aggregation, id kept.
    head: String,
    keys: Vec<Key>,
    /// `new → old` for key columns that were renamed after the aggregation.
    renamed: Vec<(String, String)>,
    id_column: &'static str,
    /// Whether rows of the rule's own result are summaries.
    pub(crate) aggregates: bool,
}

impl Plan {
    /// The plan for a query; `None` if its source is no log table.
    pub(crate) fn of(query: &str) -> Option<Self> {
        let all = statements(query);
        let (main, lets) = all.split_last()?;
        let operators = stages(main);
        let table = source_table(operators.first()?, lets)?;
        let cut = operators
            .iter()
            .position(|stage| AGGREGATIONS.contains(&stage.name()));
        let kept = operators.get(..cut.unwrap_or(operators.len()))?;
        let after = operators.get(cut.map_or(operators.len(), |c| c + 1)..)?;
        let mut head = String::new();
        for statement in lets {
            head.push_str(statement.trim());
            head.push_str("\n;\n");
        }
        for (i, stage) in kept.iter().enumerate() {
            if i > 0 {
                head.push_str("\n| ");
            }
            head.push_str(&keep_id(stage, table.id_column));
        }
        Some(Self {
            head,
            keys: cut
                .and_then(|c| operators.get(c))
                .map_or_else(Vec::new, keys_of),
            renamed: renames(after),
            id_column: table.id_column,
            aggregates: cut.is_some(),
        })
    }

    /// The id column of the source table.
    pub(crate) const fn id_column(&self) -> &'static str {
        self.id_column
    }

    /// Columns of a result that its rows were grouped by, times excluded: a bin of time is not
    /// part of what an alert is about.
    pub(crate) fn group_columns(&self, table: &Table) -> Vec<usize> {
        self.keys
            .iter()
            .filter_map(|key| self.column_of(key, table))
            .filter(|index| {
                let column = table.columns.get(*index);
                column.is_some_and(|c| c.kusto_type != "datetime" && c.kusto_type != "timespan")
            })
            .collect()
    }

    /// The query for the records behind a row. `filter` adds columns to filter by, for rows
    /// that were not grouped. `None` if no key of the row survived to the result.
    pub(crate) fn query_for(
        &self,
        table: &Table,
        row: &[Value],
        filter: &[&str],
    ) -> Option<String> {
        let mut query = self.head.clone();
        let mut filtered = false;
        for key in &self.keys {
            if let Some(index) = self.column_of(key, table) {
                push_filter(&mut query, &key.expression, table, row, index);
                filtered = true;
            }
        }
        if self.keys.is_empty() {
            for column in filter {
                if let Some(index) = table.column(column) {
                    push_filter(&mut query, column, table, row, index);
                }
            }
        }
        (filtered || self.keys.is_empty()).then(|| close(query, self.id_column))
    }

    fn column_of(&self, key: &Key, table: &Table) -> Option<usize> {
        let renamed = || {
            let (new, _) = self.renamed.iter().find(|(_, old)| *old == key.name)?;
            table.column(new)
        };
        // A key without a name of its own takes that of a column in it: bin(T, 1h) → T.
        let inner = || {
            identifiers(&key.expression)
                .into_iter()
                .find_map(|word| table.column(word))
        };
        table.column(&key.name).or_else(renamed).or_else(inner)
    }
}

/// A rule's own evidence query with the row's values in place of `{Column}`; ids are expected in
/// the id column of any log table.
pub(crate) fn explicit(template: &str, table: &Table, row: &[Value]) -> String {
    let mut query = String::with_capacity(template.len());
    let mut rest = template.trim_end().trim_end_matches(';');
    // One pass: a value that looks like `{Column}` must not be filled in again.
    while let Some((before, after)) = rest.split_once('{') {
        query.push_str(before);
        let filled = after.split_once('}').and_then(|(name, tail)| {
            let index = table.column(name)?;
            let literal = literal::of(row.get(index)?, &table.columns.get(index)?.kusto_type);
            Some((literal, tail))
        });
        match filled {
            Some((literal, tail)) => {
                query.push_str(&literal);
                rest = tail;
            }
            None => {
                query.push('{');
                rest = after;
            }
        }
    }
    query.push_str(rest);
    let id_column = tables_of(template)
        .first()
        .map_or("EventId", |table| table.id_column);
    close(query, id_column)
}

/// Counts each record once, also where a join or an expansion made several rows of it.
fn close(mut query: String, id_column: &str) -> String {
    /// Most ids that an alert holds.
    const IDS_MAX: usize = 256;
    use std::fmt::Write as _;
    let _ = write!(
        query,
        "\n| summarize TimeGenerated = min(TimeGenerated) by {id_column}\
         \n| summarize {FIRST_SEEN} = min(TimeGenerated), {LAST_SEEN} = max(TimeGenerated), \
         {RECORDS} = count(), {IDS} = make_set({id_column}, {IDS_MAX})"
    );
    query
}

fn push_filter(query: &mut String, expression: &str, table: &Table, row: &[Value], index: usize) {
    if let (Some(column), Some(value)) = (table.columns.get(index), row.get(index)) {
        query.push_str("\n| where ");
        query.push_str(&equality(expression, value, &column.kusto_type));
    }
}

/// The log table at the source, also behind `let` names and brackets.
fn source_table(source: &Stage<'_>, lets: &[&str]) -> Option<&'static LogTable> {
    const DEPTH_MAX: usize = 16;
    let mut text = source.text.to_owned();
    for _ in 0..DEPTH_MAX {
        if let Some(table) = tables_of(&text).into_iter().next() {
            return Some(table);
        }
        let name = identifiers(&text).first().map(|s| (*s).to_owned())?;
        text = lets.iter().find_map(|statement| {
            let body = statement.trim_start().strip_prefix("let ")?;
            let (defined, value) = assignment(body.trim());
            (defined == Some(name.as_str())).then(|| value.to_owned())
        })?;
    }
    None
}

/// The operator's text, with id and time added where a projection would drop them.
fn keep_id(stage: &Stage<'_>, id_column: &str) -> String {
    let text = stage.text.trim();
    if !matches!(stage.name(), "project" | "project-keep") {
        return text.to_owned();
    }
    let listed = items(stage.arguments());
    let names: Vec<&str> = listed
        .iter()
        .map(|item| assignment(item).0.unwrap_or(item))
        .collect();
    let mut out = format!("{} {}", stage.name(), listed.join(", "));
    for needed in ["TimeGenerated", id_column] {
        if !names.contains(&needed) {
            out.push_str(", ");
            out.push_str(needed);
        }
    }
    out
}

fn keys_of(stage: &Stage<'_>) -> Vec<Key> {
    let list = match stage.name() {
        "summarize" => split_by(stage.arguments()).1,
        "distinct" => Some(stage.arguments()),
        _ => None,
    };
    items(list.unwrap_or(""))
        .into_iter()
        .filter(|item| *item != "*")
        .map(|item| {
            let (name, expression) = assignment(item);
            Key {
                expression: expression.to_owned(),
                name: name.unwrap_or(expression).to_owned(),
            }
        })
        .collect()
}

/// `New = Old` in the operators after the aggregation.
fn renames(after: &[Stage<'_>]) -> Vec<(String, String)> {
    after
        .iter()
        .filter(|stage| matches!(stage.name(), "project" | "project-rename" | "extend"))
        .flat_map(|stage| items(stage.arguments()))
        .filter_map(|item| match assignment(item) {
            (Some(new), old) if is_identifier(old) => Some((new.to_owned(), old.to_owned())),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Plan;
    use crate::port::{Column, Table};

    fn table(columns: &[(&str, &str)]) -> Table {
        Table {
            columns: columns
                .iter()
                .map(|(name, kusto_type)| Column {
                    name: (*name).to_owned(),
                    kusto_type: (*kusto_type).to_owned(),
                })
                .collect(),
            ..Table::default()
        }
    }

    #[test]
    fn a_summary_leads_back_to_its_records() {
        let query = "let t = 75;\nAIGuardrailDecisions // decisions\n| where ThreatScore > t\n\
                     | project TimeGenerated, UserId // no id\n| summarize count() by UserId, bin(TimeGenerated, 1h)\n\
                     | project Caller = UserId, TimeGenerated, count_";
        let plan = Plan::of(query).unwrap();
        let result = table(&[
            ("Caller", "string"),
            ("TimeGenerated", "datetime"),
            ("count_", "long"),
        ]);
        let row = [json!("o'neil"), json!("2026-09-30T12:00:00Z"), json!(7)];
        let query = plan.query_for(&result, &row, &[]).unwrap();
        assert_eq!(
            query,
            "let t = 75\n;\nAIGuardrailDecisions // decisions\n| where ThreatScore > t\n\
             | project TimeGenerated, UserId, DecisionId\n\
             | where UserId == 'o\\'neil'\n\
             | where bin(TimeGenerated, 1h) == datetime(2026-09-30T12:00:00Z)\n\
             | summarize TimeGenerated = min(TimeGenerated) by DecisionId\n\
             | summarize FirstSeen_ = min(TimeGenerated), LastSeen_ = max(TimeGenerated), \
             Records_ = count(), Ids_ = make_set(DecisionId, 256)"
        );
        assert_eq!(plan.group_columns(&result), [0]);
    }

    #[test]
    fn single_records_are_filtered_by_entity() {
        let plan = Plan::of("AuditLog | where Operation == 'delete' | project UserId").unwrap();
        assert!(!plan.aggregates);
        let result = table(&[("UserId", "string")]);
        let query = plan.query_for(&result, &[json!("a")], &["UserId"]).unwrap();
        assert!(query.contains("project UserId, TimeGenerated, EventId\n| where UserId == 'a'"));
    }

    #[test]
    fn a_value_cannot_be_a_place_for_another_value() {
        let result = table(&[("UserId", "string"), ("Agent", "string")]);
        let row = [json!("{Agent}"), json!("' or true")];
        let query = super::explicit("AuditLog | where U == {UserId} and {x} {", &result, &row);
        assert!(query.starts_with("AuditLog | where U == '{Agent}' and {x} {\n| summarize"));
    }

    #[test]
    fn sources_behind_names_are_found_and_unknown_ones_are_not() {
        let plan = Plan::of("let recent = APIAccessLog | where true;\nrecent | summarize count()");
        assert_eq!(plan.unwrap().id_column(), "EventId");
        assert!(Plan::of("print 1").is_none());
        assert!(Plan::of("").is_none());
    }
}
