//! The walk over a document, by a table.

use atalaya_model::{SegmentKind, UnjudgedReason};

use super::{Block, Fact, Is, Of, PREVIOUS, Table};
use crate::call::{ParseLimits, WireError};
use crate::collect::{Collector, Path, check_spelling, is_plain_key, wrong_type};
use crate::json::{self, Kind, Value};

/// Members of an object that tell the texts of a stream apart.
const NUMBERS: [&str; 8] = [
    "index",
    "output_index",
    "content_index",
    "summary_index",
    "contentBlockIndex",
    "candidateIndex",
    "artifactId",
    "item_id",
];

/// Of several messages in one body the one that executes counts.
const EXECUTES: &str = "tools/call";

/// Reads a request by a table: names that are almost known are refused, and numbers in a row in
/// members that nobody knows are said to be unread.
pub(crate) fn read_request<'a>(
    table: &'static Table,
    body: &'a [u8],
    limits: &ParseLimits,
) -> Result<Collector<'a>, WireError> {
    let document = json::parse(body, limits.json)?;
    let root = document.root();
    let names = |below: &str| -> Vec<&'static str> {
        let rules = table.rules.iter().map(|rule| rule.at);
        rules
            .filter_map(|at| at.strip_prefix(below)?.split('/').next())
            .filter(|name| !matches!(*name, "" | "#" | "*"))
            .collect()
    };
    let mut collector = of_document(table, &document, Collector::new(limits))?;
    match root.kind() {
        Kind::Object => {
            let known = names("");
            check_spelling(root, &known)?;
            for member in root.children() {
                let key = member.key();
                if !known.contains(&key.as_ref()) {
                    collector.numbers(&Path::Root.key(&key), member);
                }
            }
        }
        Kind::Array => {
            let known = names("#/");
            for message in root.children() {
                check_spelling(message, &known)?;
            }
        }
        _ => {}
    }
    Ok(collector)
}

/// Reads an answer, or a frame of it, by a table.
pub(crate) fn read<'a>(
    table: &'static Table,
    body: &'a [u8],
    limits: &ParseLimits,
) -> Result<Collector<'a>, WireError> {
    let document = json::parse(body, limits.json)?;
    of_document(table, &document, Collector::of_answer(limits))
}

fn of_document<'a>(
    table: &'static Table,
    document: &json::Document<'a>,
    mut collector: Collector<'a>,
) -> Result<Collector<'a>, WireError> {
    collector.call.stream = table.streams;
    let root = document.root();
    if let Some(required) = table.required {
        let root = crate::collect::root_object(document)?;
        if root.get(required.trim_start_matches('/')).is_none() {
            return Err(WireError::Missing { path: required });
        }
    }
    Reading::new(table, &mut collector).root(root)?;
    Ok(collector)
}

/// A rule and what of its path is still to come.
type Active = (&'static Is, &'static str);

/// Where the walk stands.
#[derive(Clone, Copy)]
struct Place<'p> {
    path: &'p Path<'p>,
    turn: SegmentKind,
    /// What holds for everything below that no rule is about.
    otherwise: Option<&'static Is>,
}

/// A walk.
pub(crate) struct Reading<'c, 'a> {
    table: &'static Table,
    collector: &'c mut Collector<'a>,
    /// Numbers on the way here: they tell the texts of a stream apart.
    numbers: Vec<String>,
}

impl<'c, 'a> Reading<'c, 'a> {
    pub(crate) fn new(table: &'static Table, collector: &'c mut Collector<'a>) -> Self {
        Self {
            table,
            collector,
            numbers: Vec::new(),
        }
    }

    /// Reads a whole document.
    pub(crate) fn root(&mut self, root: Value<'_, 'a>) -> Result<(), WireError> {
        self.below(root, &Path::Root)
    }

    /// Reads a value as if it were the root of a document.
    pub(crate) fn below(&mut self, root: Value<'_, 'a>, path: &Path<'_>) -> Result<(), WireError> {
        let active: Vec<Active> = self
            .table
            .rules
            .iter()
            .map(|rule| (&rule.is, rule.at))
            .collect();
        let place = Place {
            path,
            turn: self.table.rest,
            otherwise: None,
        };
        self.value(root, place, &active)
    }

    fn value(
        &mut self,
        value: Value<'_, 'a>,
        mut place: Place<'_>,
        active: &[Active],
    ) -> Result<(), WireError> {
        for (index, (is, rest)) in active.iter().enumerate() {
            if !rest.is_empty() {
                continue;
            }
            match is {
                Is::Turn if value.kind() == Kind::Object => {
                    place.turn = self.turn(value, place.path);
                }
                Is::Block(blocks) if value.kind() == Kind::Object => {
                    match self.block(value, place, blocks) {
                        Some(turn) => place.turn = turn,
                        None => {
                            let what = value.get_str("type").unwrap_or_default();
                            return self.collector.media(place.turn, place.path, &what, value);
                        }
                    }
                }
                Is::Keyed(known) if value.kind() == Kind::Object => {
                    self.keyed(value, place.path, known);
                }
                Is::Words(of) if value.kind() == Kind::String => {
                    let kind = kind_of(of, place.turn);
                    return self.collector.text(kind, place.path, value);
                }
                // Where another kind of value was expected, it is read as what it is.
                Is::Turn | Is::Block(_) | Is::Keyed(_) if value.kind() == Kind::String => {
                    return self.collector.text(place.turn, place.path, value);
                }
                Is::Turn | Is::Block(_) | Is::Keyed(_) | Is::Words(_) => {}
                _ => {
                    let has_finer = active[..index].iter().any(|(_, rest)| !rest.is_empty());
                    let is_container = matches!(value.kind(), Kind::Object | Kind::Array);
                    if !has_finer || !is_container {
                        return self.apply(is, value, place, active);
                    }
                    // Finer rules stand before it: it holds for what they leave.
                    place.otherwise = Some(is);
                    break;
                }
            }
        }
        let going: Vec<Active> = active
            .iter()
            .filter(|(_, rest)| !rest.is_empty())
            .copied()
            .collect();
        if going.is_empty() {
            return self.unruled(value, place);
        }
        self.descend(value, place, &going)
    }

    fn unruled(&mut self, value: Value<'_, 'a>, place: Place<'_>) -> Result<(), WireError> {
        match place.otherwise {
            Some(is) => self.apply(is, value, place, &[]),
            None => self.collector.label(place.turn, place.path, value),
        }
    }

    fn descend(
        &mut self,
        value: Value<'_, 'a>,
        place: Place<'_>,
        active: &[Active],
    ) -> Result<(), WireError> {
        let depth = self.numbers.len();
        if value.kind() == Kind::Object {
            for name in NUMBERS {
                if let Some(number) = value.get(name) {
                    self.numbers.push(number.raw().to_owned());
                }
            }
        }
        let outcome = match value.kind() {
            Kind::Object => self.members(value, place, active),
            Kind::Array => {
                let next = step(active, |first| first == "#");
                value.children().enumerate().try_for_each(|(index, child)| {
                    self.numbers.truncate(depth);
                    if NUMBERS.iter().all(|name| child.get(name).is_none()) {
                        self.numbers.push(index.to_string());
                    }
                    let path = place.path.index(index);
                    let place = Place {
                        path: &path,
                        ..place
                    };
                    self.one(child, place, &next)
                })
            }
            _ => self.unruled(value, place),
        };
        self.numbers.truncate(depth);
        outcome
    }

    fn members(
        &mut self,
        value: Value<'_, 'a>,
        place: Place<'_>,
        active: &[Active],
    ) -> Result<(), WireError> {
        for child in value.children() {
            let key = child.key();
            let path = place.path.key(&key);
            if !is_plain_key(&key) {
                self.collector
                    .push(place.turn, &path, child.key_span(), key.clone())?;
            }
            // Some servers tell no case apart.
            let next = step(active, |first| {
                first == "*" || first.eq_ignore_ascii_case(&key)
            });
            let place = Place {
                path: &path,
                ..place
            };
            self.one(child, place, &next)?;
        }
        Ok(())
    }

    fn one(
        &mut self,
        child: Value<'_, 'a>,
        place: Place<'_>,
        next: &[Active],
    ) -> Result<(), WireError> {
        if next.is_empty() {
            self.unruled(child, place)
        } else {
            self.value(child, place, next)
        }
    }

    fn turn(&mut self, value: Value<'_, 'a>, path: &Path<'_>) -> SegmentKind {
        let Some(role) = value.get_str("role").or_else(|| value.get_str("type")) else {
            self.count(self.table.rest);
            return self.table.rest;
        };
        let known = self.table.roles.iter().find(|(name, _)| *name == role);
        let kind = known.map_or(self.table.rest, |(_, kind)| *kind);
        if known.is_none() {
            let reason = UnjudgedReason::UnknownContent;
            self.collector.unjudged(path, reason, Some(&role), value);
        }
        if self.table.hidden.contains(&role.as_ref()) {
            let reason = UnjudgedReason::Opaque;
            self.collector.unjudged(path, reason, Some(&role), value);
        }
        self.count(kind);
        kind
    }

    fn count(&mut self, kind: SegmentKind) {
        let call = &mut self.collector.call;
        call.message_count += 1;
        call.user_turns += u32::from(kind == SegmentKind::User);
    }

    /// Whose text a block is; nothing for a medium.
    fn block(
        &mut self,
        value: Value<'_, 'a>,
        place: Place<'_>,
        blocks: &[(&str, Block)],
    ) -> Option<SegmentKind> {
        let Some(block_type) = value.get_str("type") else {
            return Some(place.turn);
        };
        match blocks.iter().find(|(name, _)| *name == block_type) {
            Some((_, Block::Plain)) => Some(place.turn),
            Some((_, Block::Of(kind))) => Some(*kind),
            Some((_, Block::Media)) => None,
            Some((_, Block::Opaque)) => {
                let reason = UnjudgedReason::Opaque;
                self.collector
                    .unjudged(place.path, reason, Some(&block_type), value);
                Some(place.turn)
            }
            None => {
                let reason = UnjudgedReason::UnknownContent;
                self.collector
                    .unjudged(place.path, reason, Some(&block_type), value);
                Some(place.turn)
            }
        }
    }

    fn keyed(&mut self, value: Value<'_, 'a>, path: &Path<'_>, known: &[&str]) {
        for child in value.children() {
            let key = child.key();
            if !known.contains(&key.as_ref()) {
                let reason = UnjudgedReason::UnknownContent;
                self.collector
                    .unjudged(&path.key(&key), reason, Some(&key), child);
            }
        }
    }

    fn apply(
        &mut self,
        is: &Is,
        value: Value<'_, 'a>,
        place: Place<'_>,
        active: &[Active],
    ) -> Result<(), WireError> {
        let kind = |of: &Of| kind_of(of, place.turn);
        let (path, collector) = (place.path, &mut *self.collector);
        match is {
            Is::Text(of) => collector.text(kind(of), path, value),
            Is::Label(of) => collector.label(kind(of), path, value),
            Is::Json(of) => collector.embedded(kind(of), path, value),
            Is::Schema(of) => collector.schema(kind(of), path, value),
            Is::Tools => tools(collector, path, value),
            Is::Media(what) => {
                if value.kind() == Kind::Null {
                    return Ok(());
                }
                if is_base64(value)
                    || value.children().all(is_base64) && value.kind() == Kind::Array
                {
                    collector.unjudged(path, UnjudgedReason::Media, Some(what), value);
                    return Ok(());
                }
                collector.media(place.turn, path, what, value)
            }
            Is::Opaque(what) => {
                if !matches!(value.kind(), Kind::Null | Kind::Bool) && value.raw() != "" {
                    collector.unjudged(path, UnjudgedReason::Opaque, Some(what), value);
                }
                Ok(())
            }
            Is::Tokens(of) => collector.text_or_tokens(kind(of), path, value),
            Is::Delta(of) => self.delta(kind(of), place, value, false),
            Is::DeltaJson(of) => self.delta(kind(of), place, value, true),
            Is::Echo => {
                if value.kind() != Kind::Null {
                    collector.call.notes.echoes.push(value.outer_span());
                }
                Ok(())
            }
            Is::Fact(Fact::Previous) => {
                let id = value.as_str().filter(|id| !id.is_empty());
                if value.kind() != Kind::Null && value.raw() != "" {
                    let what = Some(PREVIOUS);
                    collector.unjudged(path, UnjudgedReason::Opaque, what, value);
                }
                collector.call.previous = id;
                Ok(())
            }
            Is::Fact(fact) => {
                read_fact(collector, *fact, path, value)?;
                self.collector.label(place.turn, path, value)
            }
            Is::Turn | Is::Block(_) | Is::Keyed(_) | Is::Words(_) => {
                self.descend(value, place, active)
            }
        }
    }

    fn delta(
        &mut self,
        kind: SegmentKind,
        place: Place<'_>,
        value: Value<'_, 'a>,
        is_json: bool,
    ) -> Result<(), WireError> {
        let is_json = is_json || kind == SegmentKind::ToolCall;
        let Some(text) = value.as_str() else {
            return self.collector.text(kind, place.path, value);
        };
        if text.is_empty() {
            return Ok(());
        }
        let mut channel = value.key().into_owned();
        for number in &self.numbers {
            channel.push('.');
            channel.push_str(number);
        }
        let segment = self.collector.call.segments.len();
        self.collector.push(kind, place.path, value.span(), text)?;
        self.collector.deltas.push(crate::call::Delta {
            segment,
            channel,
            is_json,
        });
        Ok(())
    }
}

/// Whether a value is the medium itself.
fn is_base64(value: Value<'_, '_>) -> bool {
    value.kind() == Kind::String
        && value
            .raw()
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-\\".contains(&byte))
}

const fn kind_of(of: &Of, turn: SegmentKind) -> SegmentKind {
    match of {
        Of::Kind(kind) => *kind,
        Of::Turn => turn,
    }
}

/// The rules that go on below a step.
fn step(active: &[Active], fits: impl Fn(&str) -> bool) -> Vec<Active> {
    active
        .iter()
        .filter_map(|(is, rest)| {
            let (first, rest) = rest.split_once('/').unwrap_or((rest, ""));
            (!first.is_empty() && fits(first)).then_some((*is, rest))
        })
        .collect()
}

fn tools<'a>(
    collector: &mut Collector<'a>,
    path: &Path<'_>,
    list: Value<'_, 'a>,
) -> Result<(), WireError> {
    match list.kind() {
        Kind::Null => Ok(()),
        Kind::Array => list.children().enumerate().try_for_each(|(index, tool)| {
            let path = path.index(index);
            one_tool(collector, tool);
            collector.provider_tool(&path, tool);
            collector.schema(SegmentKind::ToolDefinition, &path, tool)
        }),
        _ => {
            one_tool(collector, list);
            collector.provider_tool(path, list);
            collector.schema(SegmentKind::ToolDefinition, path, list)
        }
    }
}

/// The names of a tool's definition, wherever the protocol keeps it.
fn one_tool<'a>(collector: &mut Collector<'a>, tool: Value<'_, 'a>) {
    const HOLDERS: [&str; 3] = ["function", "custom", "toolSpec"];
    let definition = HOLDERS
        .iter()
        .find_map(|holder| tool.get(holder))
        .unwrap_or(tool);
    if let Some(name) = definition.get_str("name") {
        collector.call.tools.push(name);
    }
    for list in ["functionDeclarations", "function_declarations"] {
        for function in tool.get(list).iter().flat_map(Value::children) {
            if let Some(name) = function.get_str("name") {
                collector.call.tools.push(name);
            }
        }
    }
}

fn read_fact<'a>(
    collector: &mut Collector<'a>,
    fact: Fact,
    path: &Path<'_>,
    value: Value<'_, 'a>,
) -> Result<(), WireError> {
    let call = &mut collector.call;
    match fact {
        Fact::Model => {
            let text = value.as_str().ok_or_else(|| wrong_type(path, "a string"))?;
            call.model = Some(text);
        }
        Fact::Stream if value.kind() != Kind::Null => {
            call.stream = value
                .as_bool()
                .ok_or_else(|| wrong_type(path, "a boolean"))?;
        }
        Fact::Stream => {}
        Fact::MaxTokens => call.max_tokens = call.max_tokens.max(value.as_u64()),
        Fact::Temperature => call.temperature = value.as_f64(),
        Fact::Candidates => call.candidate_count = value.as_u64(),
        Fact::LogProbs => call.logprobs = value.as_bool(),
        Fact::User => call.user = value.as_str(),
        Fact::Session => call.session = value.as_str(),
        Fact::Operation if call.operation.as_deref() == Some(EXECUTES) => {}
        Fact::Operation => call.operation = value.as_str().or(call.operation.take()),
        Fact::ReplyTo => {
            call.reply_to = Some(match call.reply_to.take() {
                None => value.outer_text().into(),
                // Several requests in one body: a list of their ids.
                Some(before) => format!("{before},{}", value.outer_text()).into(),
            });
        }
        Fact::Tool => call.tools.extend(value.as_str()),
        Fact::Previous => {}
    }
    Ok(())
}
