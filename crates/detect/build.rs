//! Lists the rule files of `rules/` for `builtin.rs`, so that adding a rule touches its folder
//! only.
//!
//! A list kept by hand would be one line that every new rule, and every branch with one, has to
//! edit. The walk is sorted, so the list and with it the binary is the same on every machine.
//! Left out: any look into the files; what is wrong with one is a test's to say.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let out = env::var_os("OUT_DIR").map(PathBuf::from);
    let (Some(here), Some(out)) = (here, out) else {
        return Err(io::Error::other(
            "cargo sets CARGO_MANIFEST_DIR and OUT_DIR",
        ));
    };
    let root = here.join("../../rules").canonicalize()?;
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        entry(&root, file, &mut list).map_err(io::Error::other)?;
    }
    list.push_str("]\n");
    fs::write(out.join("builtin_files.rs"), list)
}

/// Rule files below a folder; cargo is told to look at the folder again when it changes.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            collect(&path, files)?;
        } else if name.ends_with(".yml")
            && !name.ends_with(".test.yml")
            && !name.ends_with(".meta.yml")
        {
            files.push(path);
        }
    }
    Ok(())
}

fn entry(root: &Path, file: &Path, list: &mut String) -> std::fmt::Result {
    let relative = file.strip_prefix(root).unwrap_or(file);
    let text = |path: &Path| format!("include_str!({:?})", path.display().to_string());
    let companion = file.with_extension("meta.yml");
    let companion = match companion.is_file() {
        true => format!("Some({})", text(&companion)),
        false => "None".to_owned(),
    };
    let test = file.with_extension("test.yml");
    // A rule without a test is no built-in rule: the missing file stops the build, by name.
    writeln!(
        list,
        "    BuiltinFile {{ path: {:?}, text: {}, test: {}, companion: {companion} }},",
        relative.display().to_string(),
        text(file),
        text(&test),
    )
}
