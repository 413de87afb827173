//! Lists the mappings of `sources/` for `builtin.rs`: one folder each, with its sample and the
//! rows that the sample must become. Sorted, so that the binary is the same on every machine.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let out = env::var_os("OUT_DIR").map(PathBuf::from);
    let (Some(here), Some(out)) = (here, out) else {
        return Err(io::Error::other(
            "cargo sets CARGO_MANIFEST_DIR and OUT_DIR",
        ));
    };
    let root = here.join("../../sources").canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    let mut folders: Vec<PathBuf> = fs::read_dir(&root)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    let mut list = String::from("&[\n");
    for folder in folders {
        println!("cargo::rerun-if-changed={}", folder.display());
        let text = |name: &str| {
            format!(
                "include_str!({:?})",
                folder.join(name).display().to_string()
            )
        };
        writeln!(
            list,
            "    BuiltinSource {{ mapping: {}, sample: {}, expected: {} }},",
            text("mapping.yml"),
            text("sample.log"),
            text("expected.yml"),
        )
        .map_err(io::Error::other)?;
    }
    list.push_str("]\n");
    fs::write(out.join("builtin_sources.rs"), list)
}
