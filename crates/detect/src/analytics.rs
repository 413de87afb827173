//! The streaming analytics and Sigma rules on the stream: rows in, hits of rules out.
//!
//! One runner holds the engine, the parameters of the rules in force, and the decisions whose end
//! is still to come, because what a call cost is told by a second record. It neither reads the
//! journal nor raises alerts: the server feeds it, the scheduler raises what it finds, and the
//! store makes that idempotent, so that records which are read again after a crash change nothing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use atalaya_analytics::{Engine, Event, Finding, Limits, Phase, Settings, Stats, row};
use atalaya_model::{EntityKind, Timestamp};
use atalaya_sigma::correlate::Limits as CorrelationLimits;

use crate::catalogue::RuleCatalogue;
use crate::evaluate::Hit;
use crate::rule::Rule;
use crate::stream::{DECISIONS, SigmaStream, StreamStats};

/// Most decisions that wait for their settlement.
const PENDING_MAX: usize = 16_384;
/// Rows that are recognised when they come a second time.
const KNOWN_MAX: usize = 1 << 18;
/// Version of the frame around an engine's snapshot.
const FRAME_MAGIC: &[u8; 8] = b"ATALANF2";

/// See the module.
pub struct AnalyticRunner {
    engine: Engine,
    rules: HashMap<&'static str, Arc<Rule>>,
    pending: HashMap<Box<str>, Box<str>>,
    order: VecDeque<Box<str>>,
    known: Known,
    sigma: SigmaStream,
    findings: Vec<Finding>,
    unread: u64,
}

/// What a rule's analytic found: to be raised.
pub struct AnalyticHit {
    /// The rule in force when it was found.
    pub rule: Arc<Rule>,
    /// What was found.
    pub hit: Hit,
}

impl AnalyticRunner {
    /// A runner that has seen nothing, for the analytic rules of a catalogue.
    #[must_use]
    pub fn new(
        catalogue: &RuleCatalogue,
        limits: Limits,
        correlation_limits: CorrelationLimits,
    ) -> Self {
        let (settings, rules) = in_force(catalogue);
        Self {
            sigma: SigmaStream::new(catalogue, correlation_limits),
            engine: Engine::new(settings, limits),
            rules,
            pending: HashMap::new(),
            order: VecDeque::new(),
            known: Known::default(),
            findings: Vec::new(),
            unread: 0,
        }
    }

    /// Puts other rules in force; what is remembered stays.
    pub fn replace_rules(&mut self, catalogue: &RuleCatalogue) {
        let (settings, rules) = in_force(catalogue);
        self.engine.set_settings(settings);
        self.rules = rules;
        self.sigma.replace_rules(catalogue);
    }

    /// The tables that Sigma rules on the stream ask about.
    #[must_use]
    pub fn tables(&self) -> Vec<&'static str> {
        self.sigma.tables()
    }

    /// Puts manifests of data sets and artefacts in force.
    pub fn set_manifests(&mut self, manifests: atalaya_analytics::Manifests) {
        self.engine.set_manifests(manifests);
    }

    /// Takes in a record of the journal.
    pub fn record(&mut self, payload: &[u8], time: Timestamp) {
        let Ok(text) = std::str::from_utf8(payload) else {
            self.unread += 1;
            return;
        };
        let Some(table) = row::table_of(text) else {
            self.unread += u64::from(!text.contains("\"$journal\""));
            return;
        };
        let Some(mut event) = row::event(&table, text) else {
            self.sigma.whole(&table, text, time);
            return;
        };
        if event.time == Timestamp::default() {
            event.time = time;
        }
        match event.phase {
            Phase::Settled => self.settle(&event, text),
            Phase::Decided => {
                self.wait(&event.id, text);
                self.sigma.decided(text, time);
                self.engine.observe(&event, &mut self.findings);
            }
            Phase::Whole => {
                if self.observe(&event) {
                    self.sigma.whole(&table, text, time);
                }
            }
        }
    }

    /// Takes in a row of a table, whole.
    pub fn row(&mut self, table: &str, text: &str) {
        let Some(mut event) = row::event(table, text) else {
            self.other_row(table, text);
            return;
        };
        event.phase = Phase::Whole;
        if self.observe(&event) {
            let time = event.time;
            self.sigma.whole(table, text, time);
        }
    }

    /// A row of a table that analytics do not know.
    fn other_row(&mut self, table: &str, text: &str) {
        let id_column = atalaya_tables::find(table).map(|table| table.id_column);
        let row: Option<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(text).ok();
        let (Some(id_column), Some(row)) = (id_column, row) else {
            self.unread += 1;
            return;
        };
        let id = row.get(id_column).and_then(serde_json::Value::as_str);
        if id.is_none_or(|id| self.known.add(id)) {
            self.sigma.whole(table, text, Timestamp::default());
        }
    }

    /// A row that comes from a log: rows of the gateway's own calls are told by its decisions.
    /// False if it was seen before.
    fn observe(&mut self, event: &Event<'_>) -> bool {
        let is_decision = event.source == atalaya_analytics::Source::Decision;
        if !is_decision && !event.decision_id.is_empty() && self.known.has(&event.decision_id) {
            return false;
        }
        if !event.id.is_empty() && !self.known.add(&event.id) {
            return false;
        }
        self.engine.observe(event, &mut self.findings);
        true
    }

    fn wait(&mut self, id: &str, text: &str) {
        self.known.add(id);
        if self.order.len() >= PENDING_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.pending.remove(&oldest);
        }
        self.order.push_back(id.into());
        self.pending.insert(id.into(), text.into());
    }

    /// The decision again, with how it ended.
    fn settle(&mut self, settlement: &Event<'_>, record: &str) {
        let Some(text) = self.pending.remove(settlement.decision_id.as_ref()) else {
            return;
        };
        if self
            .order
            .front()
            .is_some_and(|id| **id == *settlement.decision_id)
        {
            self.order.pop_front();
        }
        self.sigma.settled(&text, record, settlement.time);
        let Some(decided) = row::event(DECISIONS, &text) else {
            return;
        };
        let event = Event {
            phase: Phase::Settled,
            time: settlement.time,
            input_tokens: settlement.input_tokens,
            output_tokens: settlement.output_tokens,
            reasoning_tokens: settlement.reasoning_tokens,
            latency_ms: settlement.latency_ms,
            status: settlement.status,
            finish: settlement.finish.clone(),
            ..decided
        };
        self.engine.observe(&event, &mut self.findings);
    }

    /// What was found since the last time.
    pub fn take(&mut self) -> Vec<AnalyticHit> {
        let findings = std::mem::take(&mut self.findings);
        let of_analytics = findings.into_iter().filter_map(|finding| {
            let rule = Arc::clone(self.rules.get(finding.analytic)?);
            let hit = hit(&rule, finding)?;
            Some(AnalyticHit { rule, hit })
        });
        let mut hits: Vec<AnalyticHit> = of_analytics.collect();
        hits.append(&mut self.sigma.take());
        hits
    }

    /// Figures of the Sigma rules on the stream.
    #[must_use]
    pub fn stream_stats(&self) -> StreamStats {
        self.sigma.stats()
    }

    /// Figures of the engine.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Records and rows that could not be read.
    #[must_use]
    pub const fn unread(&self) -> u64 {
        self.unread
    }

    /// Everything that is remembered, and the number of the record that comes next.
    #[must_use]
    pub fn snapshot(&self, next_seq: u64) -> Vec<u8> {
        let mut out = FRAME_MAGIC.to_vec();
        out.extend_from_slice(&next_seq.to_le_bytes());
        for part in [
            self.engine.snapshot(),
            self.sigma.snapshot(),
            self.known.snapshot(),
        ] {
            out.extend_from_slice(&(part.len() as u64).to_le_bytes());
            out.extend_from_slice(&part);
        }
        out
    }

    /// Remembers what a snapshot says; the number of the record that comes next.
    ///
    /// # Errors
    /// Why the snapshot cannot be used; nothing has changed then.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<u64, String> {
        let foreign = || "it is no snapshot of analytics".to_owned();
        let body = snapshot.strip_prefix(FRAME_MAGIC).ok_or_else(foreign)?;
        let (seq, rest) = body.split_first_chunk::<8>().ok_or_else(foreign)?;
        let (engine, rest) = part(rest).ok_or_else(foreign)?;
        let (sigma, rest) = part(rest).ok_or_else(foreign)?;
        let (known, rest) = part(rest).ok_or_else(foreign)?;
        if !rest.is_empty() {
            return Err(foreign());
        }
        let known = Known::restored(known).ok_or_else(foreign)?;
        self.engine
            .restore(engine)
            .map_err(|error| error.to_string())?;
        self.sigma.restore(sigma)?;
        self.known = known;
        Ok(u64::from_le_bytes(*seq))
    }
}

/// A part of a snapshot with its length in front, and what follows it.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// Parameters and rules of the enabled analytic rules of a catalogue.
fn in_force(catalogue: &RuleCatalogue) -> (Settings, HashMap<&'static str, Arc<Rule>>) {
    let mut settings = Settings::none();
    let mut rules = HashMap::new();
    for rule in catalogue.rules().filter(|rule| rule.enabled) {
        let Some(spec) = &rule.analytic else { continue };
        // The rule was checked when it was read; one that is wrong all the same stays silent.
        if settings.set(spec.name, &spec.parameters).is_ok() {
            rules.insert(spec.name, Arc::clone(rule));
        }
    }
    (settings, rules)
}

/// A finding as a hit of its rule; `None` if it is about an excepted caller.
pub(crate) fn hit(rule: &Rule, finding: Finding) -> Option<Hit> {
    let except = rule.analytic.as_ref().map(|spec| &spec.except_callers);
    let is_excepted = except.is_some_and(|names| {
        let mut callers = finding
            .entities
            .iter()
            .filter(|e| e.kind == EntityKind::Caller);
        !names.is_empty()
            && callers.clone().count() > 0
            && callers.all(|e| names.contains(&e.value))
    });
    if is_excepted {
        return None;
    }
    let mut details = std::collections::BTreeMap::new();
    details.insert("Analytic".to_owned(), finding.analytic.to_owned());
    details.insert("Reason".to_owned(), finding.explain());
    for reason in &finding.reasons {
        details.insert(
            format!("observed.{}", reason.signal),
            reason.observed.to_string(),
        );
        details.insert(
            format!("baseline.{}", reason.signal),
            reason.baseline.to_string(),
        );
    }
    let notes = finding.notes.into_iter();
    details.extend(notes.map(|(name, value)| (name.to_owned(), value)));
    // Members of a campaign come and go: the story is that of the first.
    let group = finding
        .entities
        .iter()
        .take(2)
        .map(|e| e.value.clone())
        .collect();
    Some(Hit {
        severity: rule.severity,
        entities: finding.entities,
        group,
        first_seen: finding.first_seen,
        last_seen: finding.last_seen,
        count: finding.count,
        record_ids: finding.evidence,
        details,
    })
}

/// Ids that were seen, the last so many of them.
#[derive(Default)]
struct Known {
    set: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Known {
    fn has(&self, id: &str) -> bool {
        self.set.contains(&atalaya_analytics::event::hash(id))
    }

    fn snapshot(&self) -> Vec<u8> {
        self.order
            .iter()
            .flat_map(|hash| hash.to_le_bytes())
            .collect()
    }

    fn restored(bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() || hashes.len() > KNOWN_MAX {
            return None;
        }
        let mut known = Self::default();
        for hash in hashes {
            known.insert(u64::from_le_bytes(*hash));
        }
        Some(known)
    }

    /// Adds an id; false if it was there.
    fn add(&mut self, id: &str) -> bool {
        self.insert(atalaya_analytics::event::hash(id))
    }

    fn insert(&mut self, hash: u64) -> bool {
        if !self.set.insert(hash) {
            return false;
        }
        if self.order.len() >= KNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        self.order.push_back(hash);
        true
    }
}
