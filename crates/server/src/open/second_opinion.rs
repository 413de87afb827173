//! The bigger model of the configuration, if there is one and this binary can run it.

use atalaya_inspect::Builder;

use super::OpenError;
use crate::config::SecondOpinionSection;

/// Adds the model to an inspector.
///
/// # Errors
/// If its files cannot be read or are no text classifier, if it is too slow, or if this binary
/// was built without it.
pub(super) fn add(builder: Builder, section: &SecondOpinionSection) -> Result<Builder, OpenError> {
    let Some(model) = &section.model else {
        return Ok(builder);
    };
    let (from, to) = section.band;
    if from > to || to > 100 {
        return Err(OpenError::BadInput(format!(
            "error: second_opinion.band: [{from}, {to}] is no range of scores; help: two numbers from 0 to 100, the lower one first"
        )));
    }
    open(builder, section, model)
}

#[cfg(feature = "onnx")]
fn open(
    builder: Builder,
    section: &SecondOpinionSection,
    model: &std::path::Path,
) -> Result<Builder, OpenError> {
    let tokenizer = section
        .tokenizer
        .clone()
        .unwrap_or_else(|| model.with_file_name("tokenizer.json"));
    let model = atalaya_onnx::OnnxModel::open(atalaya_onnx::Settings {
        attack_labels: section.attack_labels.clone(),
        temperature: section.temperature,
        window_tokens: section.window_tokens,
        overlap_tokens: section.overlap_tokens,
        windows_max: section.windows_max,
        text_bytes_max: section.text_bytes_max,
        time_max: std::time::Duration::from_millis(section.time_max_ms),
        ..atalaya_onnx::Settings::new(model, tokenizer)
    })
    .map_err(|error| OpenError::BadInput(format!("error: second_opinion: {error}")))?;
    Ok(builder.second_opinion(Box::new(model), section.band.0..=section.band.1))
}

#[cfg(not(feature = "onnx"))]
fn open(
    _: Builder,
    _: &SecondOpinionSection,
    model: &std::path::Path,
) -> Result<Builder, OpenError> {
    Err(OpenError::BadInput(format!(
        "error: second_opinion.model: {}: this binary cannot run models; help: build it with `cargo build --release --features onnx`, or take the setting out",
        model.display()
    )))
}
