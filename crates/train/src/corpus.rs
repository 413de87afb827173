//! Labelled texts: the documented format, and their features.
//!
//! One JSON object per line: `id`, `source`, `license`, `text`, `label` (1 attack, 0 benign, null
//! is skipped), `kind`, `role` (user, document, tool_output), `lang`.

use std::path::Path;
use std::sync::{Arc, Mutex};

use atalaya_inspect::classifier::{Concepts, Kind, LONG, Memo, SHORT, Sink, extract};
use atalaya_inspect::language::{Family, Language};
use atalaya_inspect::{Detector, Inspector, Reading, Scratch};
use atalaya_model::{Finding, SegmentKind};
use serde::{Deserialize, Serialize};

/// Windows of one text that are kept.
const WINDOWS_MAX: usize = 512;

/// A labelled text.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) license: String,
    pub(crate) text: String,
    pub(crate) label: Option<u8>,
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) lang: String,
}

impl Row {
    pub(crate) fn segment(&self) -> SegmentKind {
        match self.role.as_str() {
            "document" => SegmentKind::Document,
            "tool_output" => SegmentKind::ToolResult,
            _ => SegmentKind::User,
        }
    }

    pub(crate) fn features_kind(&self) -> Kind {
        match self.role.as_str() {
            "document" | "tool_output" => Kind::Material,
            _ => Kind::User,
        }
    }

    pub(crate) fn is_attack(&self) -> bool {
        self.label == Some(1)
    }
}

/// Reads a file of rows; rows without a label are left out.
pub(crate) fn read(path: &Path) -> Result<Vec<Row>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut rows = Vec::new();
    for (number, line) in text
        .lines()
        .enumerate()
        .filter(|(_, l)| !l.trim().is_empty())
    {
        let row: Row = serde_json::from_str(line)
            .map_err(|error| format!("{}:{}: {error}", path.display(), number + 1))?;
        if row.label.is_some() {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// A part of a text that is judged on its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) tokens: u32,
}

/// A text as features.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) windows: Vec<Window>,
    pub(crate) features: Vec<u32>,
    pub(crate) attack: bool,
    pub(crate) material: bool,
    /// The languages that it is calibrated with.
    pub(crate) family: Family,
    /// Whether it is written otherwise than it is read.
    pub(crate) disguised: bool,
    /// Index into a list of sources.
    pub(crate) source: u32,
    pub(crate) weight: f32,
    /// Worst score that patterns gave it.
    pub(crate) patterns: u8,
}

impl Document {
    pub(crate) fn features_of(&self, window: Window) -> &[u32] {
        self.features
            .get(window.start as usize..window.end as usize)
            .unwrap_or_default()
    }
}

/// Turns rows into features, through the same views that the inspection reads.
pub(crate) struct Reader {
    inspector: Inspector,
    scratch: Scratch,
    taken: Arc<Mutex<Taken>>,
    concepts: Concepts,
    memo: Memo,
}

#[derive(Debug, Default)]
struct Taken {
    views: Vec<String>,
    patterns: u8,
}

/// A detector that keeps what it is shown.
#[derive(Debug)]
struct Tap(Arc<Mutex<Taken>>);

impl Detector for Tap {
    fn name(&self) -> &'static str {
        "tap"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn detect(&self, segment: &Reading<'_>, _found: &mut Vec<Finding>) {
        if let Ok(mut taken) = self.0.lock() {
            taken.views.clear();
            for view in 0..segment.view_count() {
                taken.views.push(segment.folded(view).to_owned());
            }
            taken.patterns = segment.pattern_score();
        }
    }
}

impl Reader {
    pub(crate) fn new() -> Self {
        let taken = Arc::new(Mutex::new(Taken::default()));
        Self {
            // Without the classifier, so that what is learned does not depend on what was before.
            inspector: Inspector::builder()
                .classifier(None)
                .detector(Box::new(Tap(Arc::clone(&taken))))
                .build(),
            scratch: Scratch::default(),
            taken,
            concepts: Concepts::builtin(),
            memo: Memo::default(),
        }
    }

    pub(crate) fn document(&mut self, row: &Row, source: u32) -> Document {
        let verdict = self
            .inspector
            .inspect_text(&row.text, row.segment(), &mut self.scratch);
        let mut collector = Collector::default();
        let (mut patterns, mut family) = (0, Family::English);
        if let Ok(taken) = self.taken.lock() {
            patterns = taken.patterns;
            let whole = taken.views.first();
            family = whole.map_or(family, |text| Language::of(text).family());
            for view in &taken.views {
                extract(
                    view,
                    (&self.concepts, row.features_kind()),
                    &mut self.memo,
                    &mut collector,
                );
                collector.end_of_view();
            }
        }
        collector.windows.truncate(WINDOWS_MAX);
        Document {
            windows: collector.windows,
            features: collector.features,
            attack: row.is_attack(),
            material: row.features_kind() == Kind::Material,
            family,
            disguised: !verdict.norm_flags.is_empty(),
            source,
            weight: 1.0,
            patterns,
        }
    }
}

#[derive(Default)]
struct Collector {
    features: Vec<u32>,
    windows: Vec<Window>,
    /// Start and tokens of every block of this view.
    blocks: Vec<(u32, u32)>,
    block_start: u32,
}

impl Collector {
    fn end_of_view(&mut self) {
        // No other window holds all of such a text.
        if let short @ (1 | 3) = self.blocks.len() {
            self.window(short);
        }
        self.blocks.clear();
        self.block_start = self.here();
    }

    fn window(&mut self, blocks: usize) {
        let first = self.blocks.len().saturating_sub(blocks);
        let of_window = self.blocks.get(first..).unwrap_or_default();
        let Some((start, _)) = of_window.first().copied() else {
            return;
        };
        let tokens = of_window.iter().map(|(_, tokens)| tokens).sum();
        let end = self.here();
        self.windows.push(Window { start, end, tokens });
    }

    fn here(&self) -> u32 {
        u32::try_from(self.features.len()).unwrap_or(u32::MAX)
    }
}

impl Sink for Collector {
    fn feature(&mut self, number: u32) {
        self.features.push(number);
    }

    fn block(&mut self, tokens: u32, _end: usize) {
        self.blocks.push((self.block_start, tokens));
        for blocks in [SHORT, LONG] {
            if self.blocks.len() >= blocks {
                self.window(blocks);
            }
        }
        self.block_start = self.here();
    }
}
