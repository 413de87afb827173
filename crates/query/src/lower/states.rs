//! `scan`: every row is shown to the steps, from the last to the first.
//!
//! A step takes the match of the step before it if its condition holds for that match; otherwise
//! the row goes to the match that the step has, if the condition holds for that one. The first step
//! may also begin a match.

use atalaya_kql::bound::{RelNode, RelOp, ScanOutput};

use super::collect::pause;
use super::evaluate::Evaluator;
use super::need::Need;
use super::times::Bounds;
use super::{Held, LowerError, Lowered, Lowering, rows, type_of};
use crate::types;
use crate::value::Value;

struct Step {
    condition: Evaluator,
    assigns: Vec<(usize, Evaluator)>,
    output: ScanOutput,
}

/// What a step holds of its match.
#[derive(Clone)]
struct State {
    /// What every step so far left: its last row, then the declared columns.
    parts: Vec<Option<Vec<Value>>>,
    match_id: i64,
}

struct Machine {
    steps: Vec<Step>,
    states: Vec<Option<State>>,
    defaults: Vec<Value>,
    width: usize,
    with_match_id: bool,
    matches: i64,
    out: Vec<Vec<Value>>,
}

impl Lowering<'_> {
    pub(super) async fn states(&self, node: &RelNode) -> Lowered<Held> {
        let RelOp::Scan {
            input,
            defaults,
            steps,
            with_match_id,
        } = &node.op
        else {
            return Err(LowerError::Limit("not a scan".to_owned()));
        };
        let plan = self
            .node(input, &Need::all(&input.schema), &Bounds::default())
            .await?;
        let held = self.hold_plan(plan).await?;
        let prepared = steps.iter().map(|step| {
            let assigns = step.assigns.iter();
            let assigns = assigns.map(|(at, value)| Ok((*at, Evaluator::new(value)?)));
            Ok(Step {
                condition: Evaluator::new(&step.condition)?,
                assigns: assigns.collect::<Lowered<Vec<_>>>()?,
                output: step.output,
            })
        });
        let mut machine = Machine {
            steps: prepared.collect::<Lowered<Vec<_>>>()?,
            states: vec![None; steps.len()],
            defaults: rows::constants(defaults)?,
            width: input.schema.len(),
            with_match_id: *with_match_id,
            matches: 0,
            out: Vec::new(),
        };
        for batch in &held.batches {
            for row in 0..batch.num_rows() {
                pause(row).await;
                let cells = input.schema.iter().enumerate();
                let cells = cells
                    .map(|(at, column)| types::read(batch.column(at), type_of(column.ty), row));
                machine.row(&cells.collect::<Vec<Value>>());
            }
        }
        machine.end();
        let mut columns = vec![Vec::with_capacity(machine.out.len()); node.schema.len()];
        for row in machine.out {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let batches = vec![rows::batch_of(&node.schema, &columns)?];
        self.counted(batches)
    }
}

impl Machine {
    fn row(&mut self, row: &[Value]) {
        for index in (0..self.steps.len()).rev() {
            let before = index.checked_sub(1);
            let promoted = before.filter(|before| {
                let state = self.states[*before].as_ref();
                state.is_some() && self.holds(index, row, state)
            });
            let from = match promoted {
                Some(before) => {
                    self.leave(index);
                    let state = self.states[before].clone();
                    self.leave(before);
                    state
                }
                None => {
                    let own = self.states[index].as_ref();
                    let begins = index == 0 || own.is_some();
                    if !begins || !self.holds(index, row, own) {
                        continue;
                    }
                    own.cloned()
                }
            };
            let next = self.next(index, row, from);
            if self.steps[index].output == ScanOutput::All {
                self.write(index, &next);
            }
            self.states[index] = Some(next);
        }
    }

    fn holds(&self, index: usize, row: &[Value], state: Option<&State>) -> bool {
        let seen = self.seen(row, state);
        self.steps[index].condition.value(&seen) == Value::Bool(true)
    }

    /// The row, and what every step of the match left.
    fn seen(&self, row: &[Value], state: Option<&State>) -> Vec<Value> {
        let mut seen = row.to_vec();
        for index in 0..self.steps.len() {
            match state.and_then(|state| state.parts[index].as_ref()) {
                Some(part) => seen.extend(part.iter().cloned()),
                None => {
                    seen.extend(std::iter::repeat_n(Value::Null, self.width));
                    seen.extend(self.defaults.iter().cloned());
                }
            }
        }
        seen
    }

    /// The state after the row; without one before, a new match.
    fn next(&mut self, index: usize, row: &[Value], from: Option<State>) -> State {
        let seen = self.seen(row, from.as_ref());
        let mut state = from.unwrap_or_else(|| {
            self.matches += 1;
            State {
                parts: vec![None; self.steps.len()],
                match_id: self.matches - 1,
            }
        });
        let latest = state.parts[..=index].iter().rev().find_map(Option::as_ref);
        let mut part = row.to_vec();
        match latest {
            Some(latest) => part.extend(latest[self.width..].iter().cloned()),
            None => part.extend(self.defaults.iter().cloned()),
        }
        for (at, value) in &self.steps[index].assigns {
            part[self.width + at] = value.value(&seen);
        }
        state.parts[index] = Some(part);
        state
    }

    /// A match leaves a step: its last row is shown now.
    fn leave(&mut self, index: usize) {
        if let Some(state) = self.states[index].take()
            && self.steps[index].output == ScanOutput::Last
        {
            self.write(index, &state);
        }
    }

    fn end(&mut self) {
        for index in 0..self.states.len() {
            self.leave(index);
        }
    }

    fn write(&mut self, index: usize, state: &State) {
        let mut row = state.parts[index].clone().unwrap_or_default();
        if self.with_match_id {
            row.push(Value::Long(state.match_id));
        }
        self.out.push(row);
    }
}
