//! How a command can end.

use std::process::ExitCode;

use atalaya_model::{Diagnostic, SourceFile};

/// A command that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing to complain about.
    Fine,
    /// It ran and found something: a bad record, an alert missing, a rule that fails its test.
    Found,
    /// It ran another program, which ended like this.
    Of(u8),
}

/// A command that did not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What the person wrote is wrong; the text says where and how to mend it.
    #[error("{0}")]
    BadInput(String),
    /// What the person wrote is fine, but the world is not.
    #[error("error: {0}")]
    CouldNotRun(String),
}

impl Failure {
    /// Renders diagnostics with carets.
    pub(crate) fn diagnostics(name: &str, text: &str, diagnostics: &[Diagnostic]) -> Self {
        let source = SourceFile { name, text };
        let rendered: Vec<String> = diagnostics.iter().map(|d| source.render(d)).collect();
        Self::BadInput(rendered.join("\n"))
    }

    /// The world is not fine: what was tried, and why it failed.
    pub(crate) fn world(what: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Self::CouldNotRun(format!("{what}: {error}"))
    }

    pub(crate) fn exit(&self) -> u8 {
        match self {
            Self::BadInput(_) => 2,
            Self::CouldNotRun(_) => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Found => Self::from(1),
            Exit::Of(code) => Self::from(code),
        }
    }
}

impl From<atalaya_server::open::OpenError> for Failure {
    fn from(error: atalaya_server::open::OpenError) -> Self {
        match error {
            atalaya_server::open::OpenError::BadInput(text) => Self::BadInput(text),
            world @ atalaya_server::open::OpenError::World { .. } => {
                Self::CouldNotRun(world.to_string())
            }
        }
    }
}
