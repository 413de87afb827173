//! CONSTRAIN, the part that is the same in every protocol: what is clamped, dropped and redacted.
//! A protocol says under which names these things stand, and how it is given a system message.

use atalaya_model::{Constraints, Redaction};

use crate::call::{ParsedCall, WireError};
use crate::edit::{Edits, json_string, number};
use crate::json::{self, JsonLimits, Kind, Value};
use crate::protocol::AppliedConstraint;

/// Where a protocol keeps what can be weakened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    /// The member that holds the sampling switches; the root if none.
    pub(crate) settings: Option<&'static str>,
    /// Names of the output limit. All are clamped; the first is added when none is there.
    pub(crate) output_tokens: &'static [&'static str],
    /// Name of the temperature.
    pub(crate) temperature: Option<&'static str>,
    /// The model takes no temperature that the caller has not set: none is added.
    pub(crate) is_temperature_fixed: bool,
    /// Members of the root that offer tools.
    pub(crate) tools: &'static [&'static str],
}

impl Shape {
    /// Nothing of it can be weakened but its texts.
    pub(crate) const NONE: Self = Self {
        settings: None,
        output_tokens: &[],
        temperature: None,
        is_temperature_fixed: false,
        tools: &[],
    };
}

/// The edits of a body in the making.
pub(crate) struct Weakening<'d, 'a> {
    pub(crate) root: Value<'d, 'a>,
    pub(crate) edits: Edits,
    applied: Vec<AppliedConstraint>,
}

/// A call and how it is to be weakened.
#[derive(Clone, Copy)]
pub(crate) struct Order<'o> {
    pub(crate) body: &'o [u8],
    pub(crate) call: &'o ParsedCall<'o>,
    pub(crate) constraints: &'o Constraints,
    pub(crate) redactions: &'o [Redaction],
}

/// Weakens a call; `shape` may depend on the call (its model, its mode); `extra` is the protocol's own part: the safety message, and what its upstream
/// needs so that it accepts the weakened call.
pub(crate) fn weaken(
    order: Order<'_>,
    shape: impl FnOnce(Value<'_, '_>) -> Shape,
    extra: impl FnOnce(&mut Weakening<'_, '_>, &Constraints) -> Result<(), WireError>,
) -> Result<(Vec<u8>, Vec<AppliedConstraint>), WireError> {
    let Order {
        body,
        call,
        constraints,
        redactions,
    } = order;
    let document = json::parse(body, JsonLimits::default())?;
    let mut weakening = Weakening {
        root: document.root(),
        edits: Edits::default(),
        applied: Vec::new(),
    };
    let shape = shape(weakening.root);
    weakening.clamp(&shape, constraints);
    if constraints.drop_tools {
        let removed = weakening.edits.remove_members(weakening.root, shape.tools);
        let tools = u32::try_from(call.tools.len()).unwrap_or(u32::MAX);
        weakening.note("drop_tools", if removed > 0 { tools.max(1) } else { 0 });
    }
    extra(&mut weakening, constraints)?;
    let redacted = weakening.edits.redact(body, call, redactions);
    weakening.note("redact", redacted);
    Ok((weakening.edits.apply(body)?, weakening.applied))
}

impl Weakening<'_, '_> {
    /// Notes what was done, for the log.
    pub(crate) fn note(&mut self, kind: &'static str, count: u32) {
        if count > 0 {
            self.applied.push(AppliedConstraint { kind, count });
        }
    }

    fn clamp(&mut self, shape: &Shape, constraints: &Constraints) {
        let settings = match shape.settings {
            Some(name) => self
                .root
                .get(name)
                .filter(|value| value.kind() == Kind::Object),
            None => Some(self.root),
        };
        let mut missing = Vec::new();
        if let (Some(max), Some(default)) =
            (constraints.max_output_tokens, shape.output_tokens.first())
        {
            #[expect(
                clippy::cast_precision_loss,
                reason = "token counts are far below 2^52"
            )]
            let limit = Limit {
                names: shape.output_tokens,
                max: max as f64,
            };
            match self.clamp_one(settings, &limit) {
                Clamped::Absent => {
                    missing.push((*default, number(limit.max)));
                    self.note("max_output_tokens", 1);
                }
                Clamped::Lowered => self.note("max_output_tokens", 1),
                Clamped::LowEnough => {}
            }
        }
        if let (Some(max), Some(name)) = (constraints.temperature_max, shape.temperature) {
            match self.clamp_one(
                settings,
                &Limit {
                    names: &[name],
                    max,
                },
            ) {
                Clamped::Absent if shape.is_temperature_fixed => {}
                Clamped::Absent => {
                    missing.push((name, number(max)));
                    self.note("temperature", 1);
                }
                Clamped::Lowered => self.note("temperature", 1),
                Clamped::LowEnough => {}
            }
        }
        self.add_settings(shape, settings, &missing);
    }

    fn clamp_one(&mut self, settings: Option<Value<'_, '_>>, limit: &Limit<'_>) -> Clamped {
        let mut clamped = Clamped::Absent;
        for member in settings.iter().flat_map(Value::children) {
            if !limit.names.contains(&member.key().as_ref()) {
                continue;
            }
            // A limit of `-1` or `null` means "none" somewhere: only a number that is a limit is
            // left alone.
            if member
                .as_f64()
                .is_some_and(|value| (0.0..=limit.max).contains(&value))
            {
                if clamped == Clamped::Absent {
                    clamped = Clamped::LowEnough;
                }
            } else {
                self.edits.replace(member.outer_span(), number(limit.max));
                clamped = Clamped::Lowered;
            }
        }
        clamped
    }

    fn add_settings(
        &mut self,
        shape: &Shape,
        settings: Option<Value<'_, '_>>,
        missing: &[(&str, String)],
    ) {
        if missing.is_empty() {
            return;
        }
        if let Some(settings) = settings {
            for (name, value) in missing {
                self.edits.add_member(settings, name, value);
            }
            return;
        }
        let Some(name) = shape.settings else { return };
        let members: Vec<String> = missing
            .iter()
            .map(|(name, value)| format!("{}:{value}", json_string(name)))
            .collect();
        let object = format!("{{{}}}", members.join(","));
        match self.root.get(name) {
            Some(other) => self.edits.replace(other.outer_span(), object),
            None => self.edits.add_member(self.root, name, &object),
        }
    }
}

struct Limit<'l> {
    names: &'l [&'l str],
    max: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Clamped {
    Absent,
    LowEnough,
    Lowered,
}
