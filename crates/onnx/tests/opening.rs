//! What cannot be used is refused with a place and a remedy.

use std::time::Duration;

use atalaya_onnx::{OnnxModel, OpenError, Settings};

use crate::tiny;

fn settings(folder: &tempfile::TempDir) -> Settings {
    Settings {
        time_max: Duration::from_secs(60),
        ..Settings::new(
            folder.path().join("model.onnx"),
            folder.path().join("tokenizer.json"),
        )
    }
}

/// A mistake in settings that are right otherwise.
type Change = fn(&mut Settings);

#[test]
fn mistakes_in_settings_are_named() {
    let cases: &[(&str, Change)] = &[
        ("window_tokens", |s| s.window_tokens = 4),
        ("overlap_tokens", |s| s.overlap_tokens = s.window_tokens - 2),
        ("attack_labels", |s| s.attack_labels.clear()),
        ("attack_labels names label 7", |s| s.attack_labels = vec![7]),
        ("temperature", |s| s.temperature = 0.0),
        ("windows_max", |s| s.windows_max = 0),
        ("time_max", |s| s.time_max = Duration::ZERO),
        ("absent.onnx", |s| s.model.set_file_name("absent.onnx")),
        ("no tokenizer", |s| s.tokenizer.clone_from(&s.model)),
        ("no model that can be run", |s| {
            s.model.clone_from(&s.tokenizer);
        }),
    ];
    let folder = tiny::files();
    for (expected, change) in cases {
        let mut settings = settings(&folder);
        change(&mut settings);
        let error = OnnxModel::open(settings).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn an_input_that_is_no_text_is_refused() {
    let folder = tiny::files();
    tiny::write_model(folder.path(), &["input_ids", "pixel_values"]);
    let error = OnnxModel::open(settings(&folder)).unwrap_err();
    assert!(
        matches!(&error, OpenError::Input { input, .. } if input == "pixel_values"),
        "{error}"
    );
}
