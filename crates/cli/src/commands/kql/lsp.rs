//! `atalaya kql lsp`: a language server on standard input and output.

use std::collections::HashMap;

use atalaya_kql::{BindOptions, Catalog, CompletionKind, LogTables, bind, complete, hover};
use atalaya_model::{Level, Span};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, Notification as _,
    PublishDiagnostics,
};
use lsp_types::request::{Completion, Formatting, HoverRequest, Request as _};
use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionOptions, Diagnostic, DiagnosticSeverity, Hover,
    HoverContents, HoverProviderCapability, MarkedString, NumberOrString, OneOf, Position,
    PublishDiagnosticsParams, Range, ServerCapabilities, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextEdit, Uri,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::check::Schemas;
use crate::exit::{Exit, Failure};

/// Most documents open at the same time; others are not checked.
const DOCUMENTS_MAX: usize = 1_000;

/// Run a language server for editors: diagnostics, completion, hover and formatting
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Tables of another engine: JSON lines of a table and its columns.
    #[arg(long, value_name = "FILE")]
    schema: Option<std::path::PathBuf>,
    /// Refuse what real Kusto refuses.
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let schemas = args.schema.as_deref().map(Schemas::read).transpose()?;
    let catalog: &dyn Catalog = match &schemas {
        Some(schemas) => schemas,
        None => &LogTables,
    };
    let (connection, threads) = Connection::stdio();
    let capabilities = serde_json::to_value(capabilities()).unwrap_or_default();
    connection
        .initialize(capabilities)
        .map_err(|error| Failure::world("starting the language server", error))?;
    let mut server = Server {
        catalog,
        strict: args.strict,
        documents: HashMap::new(),
    };
    server
        .serve(&connection)
        .map_err(|error| Failure::world("talking to the editor", error))?;
    drop(connection);
    threads
        .join()
        .map_err(|error| Failure::world("ending the language server", error))?;
    Ok(Exit::Fine)
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec!["|".to_owned(), " ".to_owned()]),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    }
}

struct Server<'c> {
    catalog: &'c dyn Catalog,
    strict: bool,
    documents: HashMap<Uri, String>,
}

type Gone = Box<dyn std::error::Error + Send + Sync>;

impl Server<'_> {
    fn serve(&mut self, connection: &Connection) -> Result<(), Gone> {
        for message in &connection.receiver {
            match message {
                Message::Request(request) => {
                    if connection.handle_shutdown(&request)? {
                        return Ok(());
                    }
                    let response = self.answer(request);
                    connection.sender.send(Message::Response(response))?;
                }
                Message::Notification(notification) => {
                    if let Some(uri) = self.note(notification) {
                        let problems = self.problems(&uri);
                        connection.sender.send(Message::Notification(problems))?;
                    }
                }
                Message::Response(_) => {}
            }
        }
        Ok(())
    }

    fn options(&self) -> BindOptions {
        BindOptions {
            now_ticks: super::now_ticks(),
            strict: self.strict,
        }
    }

    /// Takes a document's new text; its address, if it has to be checked.
    fn note(&mut self, notification: Notification) -> Option<Uri> {
        let params = notification.params;
        let (uri, text) = match notification.method.as_str() {
            DidOpenTextDocument::METHOD => {
                let opened: lsp_types::DidOpenTextDocumentParams = read(params)?;
                (opened.text_document.uri, opened.text_document.text)
            }
            DidChangeTextDocument::METHOD => {
                let changed: lsp_types::DidChangeTextDocumentParams = read(params)?;
                let last = changed.content_changes.into_iter().next_back()?;
                (changed.text_document.uri, last.text)
            }
            DidCloseTextDocument::METHOD => {
                let closed: lsp_types::DidCloseTextDocumentParams = read(params)?;
                self.documents.remove(&closed.text_document.uri);
                return None;
            }
            _ => return None,
        };
        if self.documents.len() >= DOCUMENTS_MAX && !self.documents.contains_key(&uri) {
            return None;
        }
        self.documents.insert(uri.clone(), text);
        Some(uri)
    }

    fn problems(&self, uri: &Uri) -> Notification {
        let text = self
            .documents
            .get(uri)
            .map(String::as_str)
            .unwrap_or_default();
        let bound = bind(text, self.catalog, self.options());
        let problem = |found: atalaya_model::Diagnostic| Diagnostic {
            range: range(text, found.span),
            severity: Some(match found.level {
                Level::Error => DiagnosticSeverity::ERROR,
                Level::Warning => DiagnosticSeverity::WARNING,
                Level::Note => DiagnosticSeverity::INFORMATION,
            }),
            code: Some(NumberOrString::String(found.code)),
            source: Some("atalaya".to_owned()),
            message: match found.help {
                Some(help) => format!("{}\n{help}", found.message),
                None => found.message,
            },
            ..Diagnostic::default()
        };
        let is_empty = text.trim().is_empty();
        let found = bound.diagnostics.into_iter().filter(|_| !is_empty);
        Notification::new(
            PublishDiagnostics::METHOD.to_owned(),
            PublishDiagnosticsParams {
                uri: uri.clone(),
                diagnostics: found.map(problem).collect(),
                version: None,
            },
        )
    }

    fn answer(&self, request: Request) -> Response {
        let id = request.id.clone();
        let answer = match request.method.as_str() {
            Completion::METHOD => read(request.params).and_then(|params| self.completions(params)),
            HoverRequest::METHOD => read(request.params).map(|params| self.hover(params)),
            Formatting::METHOD => read(request.params).map(|params| self.format(&params)),
            _ => {
                let message = "this server does not do that".to_owned();
                return Response::new_err(id, ErrorCode::MethodNotFound as i32, message);
            }
        };
        match answer {
            Some(value) => Response::new_ok(id, value),
            None => {
                let message = "the parameters are not those of the method".to_owned();
                Response::new_err(id, ErrorCode::InvalidParams as i32, message)
            }
        }
    }

    fn completions(&self, params: lsp_types::CompletionParams) -> Option<Value> {
        let place = params.text_document_position;
        let text = self.documents.get(&place.text_document.uri)?;
        let found = complete(
            text,
            offset(text, place.position),
            self.catalog,
            self.options(),
        );
        let item = |found: atalaya_kql::Completion| CompletionItem {
            label: found.label,
            kind: Some(match found.kind {
                CompletionKind::Table => CompletionItemKind::CLASS,
                CompletionKind::Column => CompletionItemKind::FIELD,
                CompletionKind::Function => CompletionItemKind::FUNCTION,
                CompletionKind::Operator | CompletionKind::Keyword => CompletionItemKind::KEYWORD,
            }),
            detail: Some(found.detail),
            ..CompletionItem::default()
        };
        Some(write(found.into_iter().map(item).collect::<Vec<_>>()))
    }

    fn hover(&self, params: lsp_types::HoverParams) -> Value {
        let place = params.text_document_position_params;
        let Some(text) = self.documents.get(&place.text_document.uri) else {
            return Value::Null;
        };
        let found = hover(
            text,
            offset(text, place.position),
            self.catalog,
            self.options(),
        );
        write(found.map(|found| Hover {
            range: Some(range(text, found.span)),
            contents: HoverContents::Scalar(MarkedString::String(found.text)),
        }))
    }

    /// The whole document anew; nothing if it cannot be parsed.
    fn format(&self, params: &lsp_types::DocumentFormattingParams) -> Value {
        let text = self.documents.get(&params.text_document.uri);
        let formatted = text.and_then(|text| Some((text, atalaya_kql::format(text).ok()?)));
        write(formatted.map(|(text, new_text)| {
            vec![TextEdit {
                range: range(text, Span::new(0, text.len())),
                new_text,
            }]
        }))
    }
}

fn read<T: DeserializeOwned>(params: Value) -> Option<T> {
    serde_json::from_value(params).ok()
}

fn write(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn range(text: &str, span: Span) -> Range {
    Range {
        start: position(text, span.start),
        end: position(text, span.end),
    }
}

/// Line and UTF-16 column of a byte offset (LSP 3.17, "Position").
fn position(text: &str, offset: usize) -> Position {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line = before.bytes().filter(|byte| *byte == b'\n').count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[start..].encode_utf16().count();
    Position {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        character: u32::try_from(column).unwrap_or(u32::MAX),
    }
}

/// Byte offset of a line and UTF-16 column; past the end of a line is its end.
fn offset(text: &str, position: Position) -> usize {
    let mut lines = text.split_inclusive('\n');
    let skipped = position.line as usize;
    let start: usize = lines.by_ref().take(skipped).map(str::len).sum();
    let line = lines.next().unwrap_or_default().trim_end_matches('\n');
    let mut left = position.character as usize;
    for (at, c) in line.char_indices() {
        if left < c.len_utf16() {
            return start + at;
        }
        left -= c.len_utf16();
    }
    start + line.len()
}

#[cfg(test)]
mod tests {
    use super::{Position, offset, position};

    #[test]
    fn positions_count_utf16_units() {
        let text = "a\n😀b\nß";
        for (at, line, character) in [(0, 0, 0), (2, 1, 0), (6, 1, 2), (8, 2, 0), (10, 2, 1)] {
            assert_eq!(position(text, at), Position { line, character });
            assert_eq!(offset(text, Position { line, character }), at);
        }
        assert_eq!(offset(text, Position::new(9, 9)), text.len());
        assert_eq!(position(text, 99), Position::new(2, 1));
    }
}
