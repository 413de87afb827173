//! The graph, and what it says of a text.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atalaya_inspect::{Opinion, SecondOpinion};
use sha2::{Digest as _, Sha256};
use tokenizers::Encoding;
use tract_onnx::prelude::*;

use crate::OpenError;
use crate::settings::{MODEL_BYTES_MAX, Settings, TOKENIZER_BYTES_MAX};
use crate::windows::Windows;

type Plan = Arc<TypedRunnableModel>;

/// What an input of the graph wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Tokens,
    Mask,
    Types,
}

/// A model that was opened, tried and measured.
pub struct OnnxModel {
    settings: Settings,
    windows: Windows,
    plan: Plan,
    inputs: Vec<Input>,
    version: String,
}

impl std::fmt::Debug for OnnxModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxModel")
            .field("settings", &self.settings)
            .field("inputs", &self.inputs)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl OnnxModel {
    /// Reads model and tokenizer, and lets them judge a window to see that they can, in time.
    ///
    /// # Errors
    /// If a file cannot be read, is not what it should be, or is too slow; each says what helps.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        check(&settings)?;
        let tokenizer = read(&settings.tokenizer, TOKENIZER_BYTES_MAX)?;
        let graph = read(&settings.model, MODEL_BYTES_MAX)?;
        let version = version(&settings, &graph, &tokenizer);
        drop(graph);
        let windows = Windows::open(&settings, &tokenizer)?;
        let (plan, inputs) = plan(&settings)?;
        let model = Self {
            settings,
            windows,
            plan,
            inputs,
            version,
        };
        model.try_out()?;
        Ok(model)
    }

    /// One window twice: the first run also fetches what later ones find warm.
    fn try_out(&self) -> Result<(), OpenError> {
        let wrong = |reason: String| OpenError::Model {
            path: self.settings.model.clone(),
            reason,
        };
        let window = self
            .windows
            .cut("a")
            .and_then(|windows| windows.into_iter().next())
            .ok_or_else(|| wrong("its tokenizer cannot read the letter a".to_owned()))?;
        self.probability(&window).map_err(&wrong)?;
        let start = Instant::now();
        self.probability(&window).map_err(&wrong)?;
        let took = start.elapsed();
        if took > self.settings.time_max {
            return Err(OpenError::TooSlow {
                took,
                limit: self.settings.time_max,
            });
        }
        Ok(())
    }

    /// The probability that a window is an attack.
    fn probability(&self, window: &Encoding) -> Result<f32, String> {
        let length = self.settings.window_tokens;
        let fill = |values: &[u32], padding: i64| -> TValue {
            let mut padded: Vec<i64> = values.iter().take(length).map(|v| i64::from(*v)).collect();
            padded.resize(length, padding);
            tract_ndarray::Array2::from_shape_vec((1, length), padded)
                .map_or_else(|_| Tensor::default(), Tensor::from)
                .into()
        };
        let inputs = self.inputs.iter().map(|input| match input {
            Input::Tokens => fill(window.get_ids(), self.windows.padding()),
            Input::Mask => fill(window.get_attention_mask(), 0),
            Input::Types => fill(window.get_type_ids(), 0),
        });
        let outputs = self
            .plan
            .run(inputs.collect())
            .map_err(|error| error.to_string())?;
        let logits = outputs.first().ok_or("it has no output")?;
        let logits = logits.cast_to::<f32>().map_err(|error| error.to_string())?;
        let logits = logits
            .to_plain_array_view::<f32>()
            .map_err(|error| error.to_string())?;
        attack_share(
            logits.iter().copied(),
            &self.settings.attack_labels,
            self.settings.temperature,
        )
    }
}

impl SecondOpinion for OnnxModel {
    fn version(&self) -> &str {
        &self.version
    }

    fn read(&self, text: &str) -> Opinion {
        let start = Instant::now();
        let read = text.floor_char_boundary(self.settings.text_bytes_max.min(text.len()));
        let mut opinion = Opinion {
            probability: None,
            complete: read == text.len(),
        };
        let Some(windows) = self.windows.cut(text.get(..read).unwrap_or("")) else {
            opinion.complete = false;
            return opinion;
        };
        let mut longest = Duration::ZERO;
        for (number, window) in windows.iter().enumerate() {
            let before = start.elapsed();
            let in_time = before + longest <= self.settings.time_max;
            if number >= self.settings.windows_max || !in_time {
                opinion.complete = false;
                break;
            }
            match self.probability(window) {
                Ok(here) => {
                    opinion.probability = Some(opinion.probability.unwrap_or(0.0).max(here));
                }
                Err(_) => opinion.complete = false,
            }
            longest = longest.max(start.elapsed().saturating_sub(before));
        }
        opinion
    }
}

/// The share of the attack labels: softmax over labels, or the logistic function of a single one.
fn attack_share(
    logits: impl Iterator<Item = f32>,
    attack: &[usize],
    temperature: f32,
) -> Result<f32, String> {
    let logits: Vec<f32> = logits.map(|logit| logit / temperature).collect();
    if logits.iter().any(|logit| !logit.is_finite()) {
        return Err("its output is not a number".to_owned());
    }
    if let [logit] = logits.as_slice() {
        return Ok(1.0 / (1.0 + (-logit).exp()));
    }
    if let Some(label) = attack.iter().find(|label| **label >= logits.len()) {
        return Err(format!(
            "attack_labels names label {label}, and it has {} labels, numbered from 0",
            logits.len()
        ));
    }
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.iter().map(|logit| (logit - highest).exp()).collect();
    let all: f32 = weights.iter().sum();
    let attack: f32 = attack.iter().filter_map(|label| weights.get(*label)).sum();
    Ok((attack / all).clamp(0.0, 1.0))
}

fn plan(settings: &Settings) -> Result<(Plan, Vec<Input>), OpenError> {
    let wrong = |error: TractError| OpenError::Model {
        path: settings.model.clone(),
        // The outermost message names the place, the innermost the cause.
        reason: format!("{error}: {}", error.root_cause()),
    };
    let mut model = tract_onnx::onnx()
        .model_for_path(&settings.model)
        .map_err(wrong)?;
    let mut inputs = Vec::new();
    for (number, outlet) in model
        .input_outlets()
        .map_err(wrong)?
        .to_vec()
        .iter()
        .enumerate()
    {
        let name = model.node(outlet.node).name.clone();
        inputs.push(match name.as_str() {
            "input_ids" => Input::Tokens,
            "attention_mask" => Input::Mask,
            "token_type_ids" => Input::Types,
            _ => {
                return Err(OpenError::Input {
                    path: settings.model.clone(),
                    input: name,
                });
            }
        });
        let fact = InferenceFact::dt_shape(i64::datum_type(), tvec!(1, settings.window_tokens));
        model.set_input_fact(number, fact).map_err(wrong)?;
    }
    let plan = model
        .into_optimized()
        .and_then(IntoRunnable::into_runnable)
        .map_err(wrong)?;
    Ok((plan, inputs))
}

fn check(settings: &Settings) -> Result<(), OpenError> {
    let wrong = |setting, reason: &str| {
        Err(OpenError::Setting {
            setting,
            reason: reason.to_owned(),
        })
    };
    if !(settings.temperature.is_finite() && settings.temperature > 0.0) {
        return wrong(
            "temperature",
            "is a number above 0; 1 leaves the model as it is",
        );
    }
    if settings.attack_labels.is_empty() {
        return wrong(
            "attack_labels",
            "names no label, so nothing would ever be an attack",
        );
    }
    if settings.windows_max == 0 {
        return wrong("windows_max", "is at least 1");
    }
    Ok(())
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, OpenError> {
    let failed = |source| OpenError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > limit {
        return Err(OpenError::TooLarge {
            path: path.to_owned(),
            bytes,
            limit,
        });
    }
    std::fs::read(path).map_err(failed)
}

/// Everything that decides what the model says of a text.
fn version(settings: &Settings, graph: &[u8], tokenizer: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [graph, tokenizer] {
        hash.update(Sha256::digest(part));
    }
    let bounds = format!(
        "{:?} {} {} {} {} {}",
        settings.attack_labels,
        settings.temperature,
        settings.window_tokens,
        settings.overlap_tokens,
        settings.windows_max,
        settings.text_bytes_max,
    );
    hash.update(bounds);
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
