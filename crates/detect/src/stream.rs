//! Sigma rules on the stream of rows: each row is asked as it arrives, correlations count as they
//! go, by the matcher that `rules match` uses.
//!
//! A call is two records. Rules about what is known when it is decided are asked then; rules that
//! ask for how it ended (tokens, latency, what was in the answer) are asked when it has, of both
//! records together, and of the rows of the access and inference logs that the two become.
//!
//! What is remembered is bounded, and what is forgotten is counted. It can be written down and
//! taken up again: counts go on where they were, also across other rules.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use atalaya_model::{Entity, Timestamp};
use atalaya_sigma::correlate::{Alert, Engine, Limits};
use atalaya_sigma::ir::{Collection, Rule as SigmaRule, Target, Test};
use atalaya_sigma::matcher::Allowed;
use atalaya_sigma::taxonomy;
use serde_json::{Map, Value};

use crate::analytics::AnalyticHit;
use crate::catalogue::RuleCatalogue;
use crate::evaluate::{Hit, is_sensitive, shortened, text_of};
use crate::rule::Rule;
use crate::time::parse_timestamp;

/// Records whose ids are kept for the evidence of correlations.
const SEEN_MAX: usize = 1 << 17;
/// Most record ids of one hit.
const IDS_MAX: usize = 256;
/// Longest id that is kept, bytes.
const ID_BYTES_MAX: usize = 256;
pub(crate) const DECISIONS: &str = "AIGuardrailDecisions";

/// Columns that only a settlement has; all others that begin so are its, too.
const SETTLED: &[&str] = &[
    "AddedTtftMs",
    "CachedTokens",
    "CanaryHit",
    "CostUsd",
    "ErrorClass",
    "FinishReason",
    "GatewayLatencyUs",
    "InputTokens",
    "Outcome",
    "OutputTokens",
    "ReasoningTokens",
    "TtftMs",
    "UpstreamAttempts",
    "UpstreamLatencyMs",
    "UpstreamName",
    "UpstreamStatus",
];

/// When a row is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Moment {
    /// A call was decided.
    Decided,
    /// A call has ended.
    Settled,
    /// All at once.
    Whole,
}

/// Figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamStats {
    /// Rules that are asked.
    pub rules: u64,
    /// Rows that were asked about.
    pub rows: u64,
    /// Rows that a rule matched.
    pub matched: u64,
    /// Groups of correlations that are remembered.
    pub keys: u64,
    /// Groups that had to make room for others.
    pub evicted_keys: u64,
    /// Events of groups that had too many.
    pub evicted_events: u64,
    /// Rows that came too late for their group.
    pub late: u64,
}

/// See the module.
pub(crate) struct SigmaStream {
    engine: Option<Engine>,
    limits: Limits,
    rules: Vec<Arc<Rule>>,
    /// By place in the collection: the rule that raises.
    rule_of: HashMap<Target, usize>,
    allowed: HashMap<(&'static str, Moment), Allowed>,
    seen: Seen,
    alerts: Vec<Alert>,
    hits: Vec<AnalyticHit>,
    rows: u64,
    matched: u64,
}

impl SigmaStream {
    /// Nothing seen yet, for the rules of a catalogue that can be asked of a stream.
    pub(crate) fn new(catalogue: &RuleCatalogue, limits: Limits) -> Self {
        let loaded = Loaded::of(catalogue);
        let mut stream = Self {
            engine: None,
            limits,
            rules: Vec::new(),
            rule_of: HashMap::new(),
            allowed: HashMap::new(),
            seen: Seen::default(),
            alerts: Vec::new(),
            hits: Vec::new(),
            rows: 0,
            matched: 0,
        };
        stream.adopt(loaded);
        stream
    }

    /// Other rules from now on; correlations that mean the same go on counting.
    pub(crate) fn replace_rules(&mut self, catalogue: &RuleCatalogue) {
        self.adopt(Loaded::of(catalogue));
    }

    fn adopt(&mut self, loaded: Loaded) {
        let compiled = match &mut self.engine {
            Some(engine) => engine.reload(&loaded.collection),
            None => Engine::new(&loaded.collection, self.limits).map(|engine| {
                self.engine = Some(engine);
            }),
        };
        if let Err(error) = compiled {
            tracing::error!(%error, "the Sigma rules on the stream stay as they were");
            return;
        }
        let Some(engine) = &self.engine else {
            return;
        };
        self.allowed.clear();
        let asked = &loaded.asked;
        for (table, _) in asked {
            for moment in [Moment::Decided, Moment::Settled, Moment::Whole] {
                let is_asked = |index: usize| {
                    asked.get(index).is_some_and(|(of, is_settled)| {
                        of == table
                            && (moment == Moment::Whole
                                || *is_settled == (moment == Moment::Settled))
                    })
                };
                if (0..asked.len()).any(is_asked) {
                    let allowed = engine.matcher().allowed_where(is_asked);
                    self.allowed.insert((table, moment), allowed);
                }
            }
        }
        self.rules = loaded.rules;
        self.rule_of = loaded.rule_of;
    }

    /// The tables that rules ask about.
    pub(crate) fn tables(&self) -> Vec<&'static str> {
        let mut tables: Vec<&'static str> = self.allowed.keys().map(|(table, _)| *table).collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// A call was decided.
    pub(crate) fn decided(&mut self, text: &str, time: Timestamp) {
        self.ask((DECISIONS, Moment::Decided), text, time);
    }

    /// A row that is complete.
    pub(crate) fn whole(&mut self, table: &str, text: &str, time: Timestamp) {
        if let Some(table) = atalaya_tables::find(table) {
            self.ask((table.name, Moment::Whole), text, time);
        }
    }

    /// A call has ended: the decision, and the record that settles it.
    pub(crate) fn settled(&mut self, decision: &str, settlement: &str, time: Timestamp) {
        let of_call = [
            (DECISIONS, Moment::Settled),
            ("APIAccessLog", Moment::Whole),
            ("ModelInferenceLog", Moment::Whole),
        ];
        if !of_call.iter().any(|key| self.allowed.contains_key(key)) {
            return;
        }
        let Some(row) = merged(decision, settlement) else {
            return;
        };
        self.ask(of_call[0], &Value::Object(row.clone()).to_string(), time);
        self.ask(of_call[1], &projected(row.clone(), "APIAccessLog"), time);
        let has = |column: &str| row.get(column).is_some_and(|value| !value.is_null());
        if has("UpstreamStatus") || has("UpstreamLatencyMs") {
            self.ask(of_call[2], &projected(row, "ModelInferenceLog"), time);
        }
    }

    fn ask(&mut self, key: (&'static str, Moment), text: &str, time: Timestamp) {
        let (Some(engine), Some(allowed)) = (&mut self.engine, self.allowed.get(&key)) else {
            return;
        };
        self.rows += 1;
        self.alerts.clear();
        let number = self.seen.next();
        let result = engine.process(text, number, Some(allowed), &mut self.alerts);
        if result.is_err() || engine.matched().is_empty() {
            return;
        }
        self.matched += 1;
        let row: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        let row = Row::of(key.0, row, time);
        self.seen.push(row.id.clone(), row.time);
        for alert in std::mem::take(&mut self.alerts) {
            let found = self.hit(&alert, &row);
            self.hits.extend(found);
        }
    }

    fn hit(&self, alert: &Alert, row: &Row) -> Option<AnalyticHit> {
        let rule = self.rules.get(*self.rule_of.get(&alert.target)?)?;
        let hit = match alert.target {
            Target::Rule(_) => single(rule, row),
            Target::Correlation(_) => self.correlated(rule, alert, row),
        };
        Some(AnalyticHit {
            rule: Arc::clone(rule),
            hit,
        })
    }

    fn correlated(&self, rule: &Rule, alert: &Alert, row: &Row) -> Hit {
        let columns = rule.stream.as_ref().map_or(&[][..], |spec| &spec.group_by);
        let values = || alert.group.iter().map(|(_, value)| value.as_str());
        let mut details = std::collections::BTreeMap::new();
        details.extend(columns.iter().cloned().zip(values().map(shortened)));
        details.insert("Value".to_owned(), alert.value.to_string());
        let entities = rule.entities.iter().filter_map(|mapping| {
            let at = columns
                .iter()
                .position(|column| *column == mapping.column)?;
            Some(Entity {
                kind: mapping.kind,
                value: shortened(values().nth(at)?),
            })
        });
        let (ids, times) = self.seen.of(&alert.events);
        Hit {
            severity: rule.severity,
            entities: entities.collect(),
            group: values().map(str::to_owned).collect(),
            first_seen: times.map_or(row.time, |(first, _)| first),
            last_seen: times.map_or(row.time, |(_, last)| last),
            count: u64::try_from(alert.events.len()).unwrap_or(u64::MAX).max(1),
            record_ids: ids,
            details,
        }
    }

    /// What was found since the last time.
    pub(crate) fn take(&mut self) -> Vec<AnalyticHit> {
        std::mem::take(&mut self.hits)
    }

    pub(crate) fn stats(&self) -> StreamStats {
        let counts = self.engine.as_ref().map(Engine::counts).unwrap_or_default();
        let size = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        StreamStats {
            rules: size(self.rules.len()),
            rows: self.rows,
            matched: self.matched,
            keys: size(self.engine.as_ref().map_or(0, Engine::keys)),
            evicted_keys: counts.evicted_keys,
            evicted_events: counts.evicted_events,
            late: counts.late_events,
        }
    }

    /// Everything that is remembered.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.seen.write(&mut out);
        if let Some(engine) = &self.engine {
            out.extend_from_slice(&engine.snapshot());
        }
        out
    }

    /// Remembers what a snapshot says.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (seen, rest) = Seen::read(bytes).ok_or("the list of records is damaged")?;
        if let Some(engine) = &mut self.engine {
            engine.restore(rest).map_err(|error| error.to_string())?;
        }
        self.seen = seen;
        Ok(())
    }
}

/// The rules of a catalogue that can be asked of a stream, compiled together.
#[derive(Default)]
struct Loaded {
    collection: Collection,
    rules: Vec<Arc<Rule>>,
    rule_of: HashMap<Target, usize>,
    /// By rule of the collection: its table, and whether it asks for how a call ended.
    asked: Vec<(&'static str, bool)>,
}

impl Loaded {
    fn of(catalogue: &RuleCatalogue) -> Self {
        let mut loaded = Self::default();
        for rule in catalogue.rules() {
            if rule.enabled && rule.stream.is_some() {
                loaded.add(rule);
            }
        }
        loaded
    }

    fn add(&mut self, rule: &Arc<Rule>) {
        // The rule was read before; one that is wrong all the same stays silent.
        let Ok(collection) = atalaya_sigma::parse(&rule.text) else {
            return;
        };
        let tables: Option<Vec<_>> = collection
            .rules
            .iter()
            .map(|one| taxonomy::table(&one.source))
            .collect();
        let Some(tables) = tables else {
            return;
        };
        let index = self.rules.len();
        self.rules.push(Arc::clone(rule));
        let (rules, correlations) = (
            self.collection.rules.len(),
            self.collection.correlations.len(),
        );
        for target in collection.alerting() {
            let target = match target {
                Target::Rule(at) => Target::Rule(rules + at),
                Target::Correlation(at) => Target::Correlation(correlations + at),
            };
            self.rule_of.insert(target, index);
        }
        let of_group = collection.correlations.iter().flat_map(correlation_fields);
        let of_group: Vec<String> = of_group.collect();
        for (one, table) in collection.rules.iter().zip(tables) {
            let fields = rule_fields(one).into_iter().chain(of_group.iter().cloned());
            let mut columns = fields.filter_map(|field| match taxonomy::field(table, &field)? {
                taxonomy::Field::Column(column) => Some(column.name),
                taxonomy::Field::Derived(_) => None,
            });
            let is_settled = table.name == DECISIONS
                && columns.any(|name| SETTLED.contains(&name) || name.starts_with("Response"));
            self.asked.push((table.name, is_settled));
        }
        self.collection.append(collection);
    }
}

fn rule_fields(rule: &SigmaRule) -> Vec<String> {
    let mut fields = Vec::new();
    for item in rule.conditions.iter().flat_map(|one| one.expr.items()) {
        fields.extend(item.field.clone());
        for test in item.tests.iter().flat_map(Test::alternatives) {
            if let Test::FieldRef { field, .. } = test {
                fields.push(field.clone());
            }
        }
    }
    fields
}

fn correlation_fields(correlation: &atalaya_sigma::ir::Correlation) -> Vec<String> {
    let mut fields = correlation.group_by.clone();
    fields.extend(
        correlation
            .aliases
            .iter()
            .flat_map(|alias| alias.fields.iter().map(|(_, field)| field.clone())),
    );
    if let atalaya_sigma::ir::CorrelationCondition::Threshold(threshold) = &correlation.condition {
        fields.extend(threshold.fields.iter().cloned());
    }
    fields
}

/// A row that a rule matched.
struct Row {
    id: Box<str>,
    time: Timestamp,
    columns: Map<String, Value>,
}

impl Row {
    fn of(table: &str, columns: Map<String, Value>, arrived: Timestamp) -> Self {
        let text = |name: &str| columns.get(name).and_then(Value::as_str);
        let id_column = atalaya_tables::find(table).map_or("", |table| table.id_column);
        let id = text(id_column).unwrap_or_default();
        // Cut on a letter: an id that is longer than any of ours still tells rows apart.
        let id = id
            .get(..id.floor_char_boundary(ID_BYTES_MAX))
            .unwrap_or_default();
        Self {
            id: id.into(),
            time: text("TimeGenerated")
                .and_then(parse_timestamp)
                .unwrap_or(arrived),
            columns,
        }
    }
}

/// The hit of a rule about single rows, told apart as its query would.
fn single(rule: &Rule, row: &Row) -> Hit {
    let entities: Vec<Entity> = rule
        .entities
        .iter()
        .filter_map(|mapping| {
            let value = text_of(row.columns.get(&mapping.column)?)?;
            Some(Entity {
                kind: mapping.kind,
                value: shortened(&value),
            })
        })
        .collect();
    let details = row
        .columns
        .iter()
        .filter(|(name, _)| !name.starts_with('$') && !is_sensitive(rule, name));
    Hit {
        severity: rule.severity,
        group: entities
            .iter()
            .map(|e| format!("{:?}={}", e.kind, e.value))
            .collect(),
        entities,
        first_seen: row.time,
        last_seen: row.time,
        count: 1,
        record_ids: (!row.id.is_empty())
            .then(|| row.id.to_string())
            .into_iter()
            .collect(),
        details: details
            .filter_map(|(name, value)| Some((name.clone(), shortened(&text_of(value)?))))
            .collect(),
    }
}

/// A decision and its settlement as one row; what the settlement says holds.
fn merged(decision: &str, settlement: &str) -> Option<Map<String, Value>> {
    let mut row: Map<String, Value> = serde_json::from_str(decision).ok()?;
    let settlement: Map<String, Value> = serde_json::from_str(settlement).ok()?;
    let settled = settlement.into_iter().filter(|(name, value)| {
        !name.starts_with('$') && name != "TimeGenerated" && !value.is_null()
    });
    row.extend(settled);
    row.retain(|name, _| !name.starts_with('$'));
    Some(row)
}

/// The row of another log that a call becomes, as the tables show it.
fn projected(mut row: Map<String, Value>, table: &str) -> String {
    let copy = |row: &mut Map<String, Value>, from: &str, to: &str| {
        if let Some(value) = row.get(from).cloned() {
            row.insert(to.to_owned(), value);
        }
    };
    copy(&mut row, "DecisionId", "EventId");
    row.insert("SourceType".to_owned(), Value::from("gateway"));
    if table == "APIAccessLog" {
        row.insert("ViaGateway".to_owned(), Value::from(true));
        let number = |name: &str| row.get(name).and_then(Value::as_f64);
        let (own, upstream) = (number("GatewayLatencyUs"), number("UpstreamLatencyMs"));
        if own.is_some() || upstream.is_some() {
            let ms = own.unwrap_or(0.0) / 1_000.0 + upstream.unwrap_or(0.0);
            row.insert("DurationMs".to_owned(), Value::from(ms));
        }
    } else {
        copy(&mut row, "ModelName", "ModelId");
        copy(&mut row, "ContentSha256", "InputHash");
        row.insert("ModelType".to_owned(), Value::from("llm"));
        let text = |name: &str| {
            row.get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let status = match text("Outcome") {
            Some("answered") => Some("ok"),
            outcome => text("ErrorClass").or(outcome),
        };
        if let Some(status) = status.map(Value::from) {
            row.insert("Status".to_owned(), status);
        }
    }
    let known = atalaya_tables::find(table);
    row.retain(|name, _| known.is_some_and(|table| table.column(name).is_some()));
    Value::Object(row).to_string()
}

/// Ids and times of the rows that matched, by number; the last so many of them.
#[derive(Debug, Default)]
struct Seen {
    first: u64,
    rows: VecDeque<(Box<str>, Timestamp)>,
}

impl Seen {
    /// The number of the next row that matches.
    fn next(&self) -> u64 {
        self.first + self.rows.len() as u64
    }

    fn push(&mut self, id: Box<str>, time: Timestamp) {
        if self.rows.len() >= SEEN_MAX {
            self.rows.pop_front();
            self.first += 1;
        }
        self.rows.push_back((id, time));
    }

    /// Ids of rows, the newest so many, and the times between which they lie.
    fn of(&self, numbers: &[u64]) -> (Vec<String>, Option<(Timestamp, Timestamp)>) {
        let mut ids = Vec::new();
        let mut times: Option<(Timestamp, Timestamp)> = None;
        for number in numbers.iter().rev() {
            let at = number
                .checked_sub(self.first)
                .and_then(|at| usize::try_from(at).ok());
            let Some((id, time)) = at.and_then(|at| self.rows.get(at)) else {
                continue;
            };
            times = Some(times.map_or((*time, *time), |(first, last)| {
                (first.min(*time), last.max(*time))
            }));
            if ids.len() < IDS_MAX && !id.is_empty() {
                ids.push(id.to_string());
            }
        }
        ids.reverse();
        (ids, times)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&(self.rows.len() as u64).to_le_bytes());
        for (id, time) in &self.rows {
            out.extend_from_slice(&time.0.to_le_bytes());
            out.extend_from_slice(&u16::try_from(id.len()).unwrap_or(0).to_le_bytes());
            out.extend_from_slice(id.as_bytes());
        }
    }

    /// The list, and what follows it.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (first, rest) = bytes.split_first_chunk::<8>()?;
        let (count, mut rest) = rest.split_first_chunk::<8>()?;
        let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
        if count > SEEN_MAX {
            return None;
        }
        let mut seen = Self {
            first: u64::from_le_bytes(*first),
            rows: VecDeque::new(),
        };
        for _ in 0..count {
            let (time, after) = rest.split_first_chunk::<8>()?;
            let (length, after) = after.split_first_chunk::<2>()?;
            let (id, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            let id = std::str::from_utf8(id).ok()?;
            seen.rows
                .push_back((id.into(), Timestamp(i64::from_le_bytes(*time))));
            rest = after;
        }
        Some((seen, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_id_is_cut_and_not_lost() {
        let table = "AIGuardrailDecisions";
        let column = atalaya_tables::find(table).unwrap().id_column;
        for letter in ["a", "é", "漢", "🦀"] {
            let id = format!("x{}", letter.repeat(300));
            let columns = Map::from_iter([(column.to_owned(), Value::from(id.clone()))]);
            let row = Row::of(table, columns, Timestamp::default());
            assert!(row.id.len() > ID_BYTES_MAX - 4 && row.id.len() <= ID_BYTES_MAX);
            assert!(id.starts_with(&*row.id));
        }
    }
}
