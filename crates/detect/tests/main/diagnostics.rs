//! Rule files with mistakes, and what is said about them: one file each in `cases/`.

use std::path::Path;

use atalaya_detect::{Origin, Rule};
use atalaya_model::SourceFile;

#[test]
fn every_mistake_is_shown_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/rules");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "yml") {
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let diagnostics = match Rule::parse(&text, Origin::File(path.clone())) {
            Ok((_, remarks)) => remarks,
            Err(errors) => errors,
        };
        let source = SourceFile {
            name: &name,
            text: &text,
        };
        let rendered: Vec<String> = diagnostics.iter().map(|d| source.render(d)).collect();
        let rendered = rendered.join("\n");
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&expected, &rendered).unwrap();
        }
        assert_eq!(
            rendered,
            std::fs::read_to_string(&expected).unwrap(),
            "{name}"
        );
    }
    assert!(seen >= 3, "no cases in {}", folder.display());
}
