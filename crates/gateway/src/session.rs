//! Conversations over several calls: what they did adds up, and what tainted them stays.
//!
//! A conversation is known by its session id, or without one by its beginning: clients send the
//! whole history with every turn, so that the first text after the instructions names it. What a
//! turn repeats from earlier turns is recognised by a keyed hash and counts once; weak findings of
//! new texts add up as independent evidence, so that an attack in small steps is seen as one.
//!
//! In memory, bounded, the longest unused forgotten first. Left out: sharing between nodes.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use atalaya_model::{Finding, Segment, SegmentKind, ThreatCategory, Timestamp};
use atalaya_policy::SessionsPolicy;
use parking_lot::Mutex;

use crate::config::Sessions as Config;

/// Parts that are locked apart.
const SHARDS: usize = 16;
/// How much of a text's score counts as evidence about the whole conversation: one attack is the
/// call's own affair, several are a pattern.
const WEIGHT: f64 = 0.5;
/// Texts of one conversation that are recognised again, at most.
const TEXTS_MAX: usize = 1_024;
/// Shorter texts repeat by chance.
const TEXT_BYTES_MIN: usize = 8;

/// What is known of a conversation when a call is decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// 0-100 over all turns.
    pub(crate) score: u8,
    /// A tool result or document carried an injection.
    pub(crate) is_tainted: bool,
    /// Key of the conversation.
    pub(crate) key: u64,
}

#[derive(Debug, Default)]
struct Kept {
    /// Evidence: the negative logarithm of the likelihood that all of it is harmless.
    evidence: f64,
    texts: Vec<u64>,
    tainted_until: i64,
    last_seen: i64,
}

/// One conversation, for what comes back to it.
pub(crate) struct Conversation {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) key: u64,
    /// Least score that taints; `None` if nothing does.
    pub(crate) from_score: Option<u8>,
    pub(crate) now: Timestamp,
    /// Who may go on from the answer, in protocols that keep it; empty in others.
    pub(crate) caller: String,
    /// Everything that was said until now was seen.
    pub(crate) is_whole: bool,
}

impl Conversation {
    /// Remembers the answer, from which the conversation may go on.
    pub(crate) fn answered(&self, response_id: &str, is_seen: bool) {
        if self.caller.is_empty() || response_id.is_empty() {
            return;
        }
        let thread = Thread {
            key: self.key,
            is_whole: self.is_whole && is_seen,
        };
        self.sessions.remember(&self.caller, response_id, thread);
    }

    /// Takes in what was found in an answer: a tool's result in it may taint what follows.
    pub(crate) fn note(&self, findings: &[Finding]) {
        let taints = |finding: &Finding| {
            let is_carried = matches!(
                finding.kind,
                SegmentKind::ToolResult | SegmentKind::Document
            );
            is_carried && self.from_score.is_some_and(|least| finding.score >= least)
        };
        if findings.iter().any(taints) {
            self.sessions.taint(self.key, self.now);
        }
    }
}

/// All conversations.
pub(crate) struct Sessions {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<u64, Kept>>>,
    config: Config,
    threads: Mutex<Threads>,
}

/// Where a conversation goes on that the provider keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thread {
    /// Key of the conversation.
    pub(crate) key: u64,
    /// Detectors saw all of it.
    pub(crate) is_whole: bool,
}

/// Answers from which conversations can go on, the oldest forgotten first.
#[derive(Default)]
struct Threads {
    known: HashMap<u64, Thread>,
    order: VecDeque<u64>,
}

/// One call of a conversation.
pub(crate) struct Turn<'t> {
    pub(crate) caller: &'t str,
    pub(crate) session: &'t str,
    /// The conversation that it goes on from, if that is known.
    pub(crate) thread: Option<Thread>,
    pub(crate) segments: &'t [Segment<'t>],
    pub(crate) findings: &'t [Finding],
    pub(crate) now: Timestamp,
}

impl Sessions {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            config,
            threads: Mutex::default(),
        }
    }

    /// The conversation of an answer that this caller got.
    pub(crate) fn thread(&self, caller: &str, response_id: &str) -> Option<Thread> {
        let at = self.hasher.hash_one((caller, "response", response_id));
        self.threads.lock().known.get(&at).copied()
    }

    /// Remembers to which conversation an answer belongs.
    fn remember(&self, caller: &str, response_id: &str, thread: Thread) {
        let at = self.hasher.hash_one((caller, "response", response_id));
        let mut threads = self.threads.lock();
        if threads.known.insert(at, thread).is_none() {
            threads.order.push_back(at);
        }
        while threads.order.len() > self.config.sessions_max.max(1) {
            if let Some(oldest) = threads.order.pop_front() {
                threads.known.remove(&oldest);
            }
        }
    }

    /// A key for a conversation that has nothing else to be known by.
    pub(crate) fn fresh(&self, decision_id: &str) -> u64 {
        self.hasher.hash_one(("decision", decision_id)) | 1
    }

    /// Takes a turn in; what is known of its conversation then.
    pub(crate) fn observe(&self, turn: &Turn<'_>, policy: &SessionsPolicy) -> View {
        let Some(key) = self.key(turn) else {
            return View::default();
        };
        let worth = turn.findings.iter().any(|finding| counts(finding, policy));
        let mut shard = self.shard(key).lock();
        let Some(conversation) = shard.get_mut(&key) else {
            if !worth {
                // Nothing is remembered of conversations in which nothing was ever found.
                return View {
                    key,
                    ..View::default()
                };
            }
            self.make_room(&mut shard, turn.now.0);
            let mut conversation = Kept::default();
            self.take(&mut conversation, turn, policy);
            let view = conversation.view(key, turn.now.0);
            shard.insert(key, conversation);
            return view;
        };
        if turn.now.0 - conversation.last_seen > self.idle_us() {
            conversation.evidence = 0.0;
            conversation.texts.clear();
        }
        self.take(conversation, turn, policy);
        conversation.view(key, turn.now.0)
    }

    /// Marks a conversation as tainted by what came back to it (a tool's result in an answer).
    pub(crate) fn taint(&self, key: u64, now: Timestamp) {
        if key == 0 {
            return;
        }
        let mut shard = self.shard(key).lock();
        if !shard.contains_key(&key) {
            self.make_room(&mut shard, now.0);
        }
        let conversation = shard.entry(key).or_default();
        conversation.last_seen = now.0;
        conversation.tainted_until = now.0 + self.idle_us();
    }

    fn take(&self, conversation: &mut Kept, turn: &Turn<'_>, policy: &SessionsPolicy) {
        conversation.fade(turn.now.0, self.config.half_life_s);
        conversation.last_seen = turn.now.0;
        let mut worst: Vec<(usize, u8)> = Vec::new();
        for finding in turn
            .findings
            .iter()
            .filter(|finding| counts(finding, policy))
        {
            if is_taint(finding, policy) {
                conversation.tainted_until = turn.now.0 + self.idle_us();
            }
            let index = usize::try_from(finding.segment).unwrap_or(usize::MAX);
            // Several rules about one text are one piece of evidence.
            match worst.iter_mut().find(|(known, _)| *known == index) {
                Some((_, score)) => *score = (*score).max(finding.score),
                None => worst.push((index, finding.score)),
            }
        }
        for (index, score) in worst {
            let Some(segment) = turn.segments.get(index) else {
                continue;
            };
            let text = self.hasher.hash_one(segment.text.as_ref());
            if conversation.texts.contains(&text) {
                continue;
            }
            if conversation.texts.len() >= TEXTS_MAX {
                conversation.texts.remove(0);
            }
            conversation.texts.push(text);
            conversation.evidence -= (1.0 - f64::from(score.min(100)) / 100.0 * WEIGHT).ln();
        }
    }

    /// `None` for a call that belongs to no conversation.
    fn key(&self, turn: &Turn<'_>) -> Option<u64> {
        if let Some(thread) = turn.thread {
            return Some(thread.key);
        }
        // 0 is nobody's.
        if !turn.session.is_empty() {
            return Some(self.hasher.hash_one((turn.caller, "id", turn.session)) | 1);
        }
        let first = turn.segments.iter().find(|segment| {
            segment.kind == SegmentKind::User && segment.text.len() >= TEXT_BYTES_MIN
        })?;
        Some(
            self.hasher
                .hash_one((turn.caller, "text", first.text.as_ref()))
                | 1,
        )
    }

    fn shard(&self, key: u64) -> &Mutex<HashMap<u64, Kept>> {
        let count = u64::try_from(self.shards.len()).unwrap_or(1);
        let index = usize::try_from((key >> 8) % count).unwrap_or(0);
        &self.shards[index]
    }

    /// Forgets what is over; if that is not enough, the longest unused half.
    fn make_room(&self, shard: &mut HashMap<u64, Kept>, now: i64) {
        let max = (self.config.sessions_max / SHARDS).max(1);
        if shard.len() < max {
            return;
        }
        let idle = self.idle_us();
        shard.retain(|_, conversation| now - conversation.last_seen <= idle);
        if shard.len() < max {
            return;
        }
        let mut seen: Vec<i64> = shard.values().map(|c| c.last_seen).collect();
        let half = seen.len() / 2;
        let (_, median, _) = seen.select_nth_unstable(half);
        let median = *median;
        shard.retain(|_, conversation| conversation.last_seen > median);
    }

    fn idle_us(&self) -> i64 {
        i64::try_from(self.config.idle_s)
            .unwrap_or(i64::MAX / 1_000_000)
            .saturating_mul(1_000_000)
    }
}

impl Kept {
    /// Evidence loses half of its weight in a half-life.
    fn fade(&mut self, now: i64, half_life_s: u64) {
        if self.evidence == 0.0 || half_life_s == 0 {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
        let lives = (now - self.last_seen).max(0) as f64 / 1_000_000.0 / half_life_s as f64;
        self.evidence *= (-lives).exp2();
    }

    fn view(&self, key: u64, now: i64) -> View {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0-100 before"
        )]
        let score = ((1.0 - (-self.evidence).exp()) * 100.0)
            .round()
            .clamp(0.0, 100.0) as u8;
        View {
            score,
            is_tainted: now < self.tainted_until,
            key,
        }
    }
}

/// Secrets and personal data are no steps of an attack.
fn counts(finding: &Finding, policy: &SessionsPolicy) -> bool {
    let is_data = matches!(
        finding.category,
        ThreatCategory::Secret | ThreatCategory::PersonalData
    );
    !is_data && finding.score >= policy.score_min
}

fn is_taint(finding: &Finding, policy: &SessionsPolicy) -> bool {
    let is_carried = matches!(
        finding.kind,
        SegmentKind::ToolResult | SegmentKind::Document
    );
    is_carried
        && policy
            .taint
            .from_score
            .is_some_and(|least| finding.score >= least)
}
