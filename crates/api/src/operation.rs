//! What a resource can do: method, path, who may, what goes in and comes out, and the code.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::call::Call;
use crate::problem::Problem;
use crate::reply::Reply;

/// Who may do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Everybody who reaches the listener.
    Open,
    /// Every bearer of an admin token.
    Read,
    /// A bearer with the role `admin`.
    Write,
}

type Answer = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;
pub(crate) type Handler = Arc<dyn Fn(Call) -> Answer + Send + Sync>;
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Operations on one kind of thing.
pub struct Resource {
    /// Name, e.g. `keys`: the tag in the OpenAPI document.
    pub name: &'static str,
    /// What it is, one sentence.
    pub doc: &'static str,
    /// What can be done.
    pub operations: Vec<Operation>,
}

/// One operation.
pub struct Operation {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) right: Right,
    pub(crate) query: Vec<(&'static str, &'static str)>,
    pub(crate) takes: Option<SchemaOf>,
    pub(crate) gives: Option<SchemaOf>,
    pub(crate) handler: Handler,
}

/// Makes a handler of a function that is given its port with every call.
pub fn with<P: ?Sized, F, H: Fn(Arc<P>, Call) -> F>(
    port: &Arc<P>,
    handler: H,
) -> impl Fn(Call) -> F + use<P, F, H> {
    let port = Arc::clone(port);
    move |call| handler(Arc::clone(&port), call)
}

impl Operation {
    /// An operation. `path` is a template: `/v1/keys/{id}`.
    #[must_use]
    pub fn new<F>(
        method: Method,
        path: &'static str,
        right: Right,
        summary: &'static str,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Reply, Problem>> + Send + 'static,
    {
        Self {
            method,
            path,
            summary,
            right,
            query: Vec::new(),
            takes: None,
            gives: None,
            handler: Arc::new(move |call| Box::pin(handler(call))),
        }
    }

    /// Reads: `GET`.
    #[must_use]
    pub fn get<F>(
        path: &'static str,
        summary: &'static str,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Reply, Problem>> + Send + 'static,
    {
        Self::new(Method::GET, path, Right::Read, summary, handler)
    }

    /// Changes: `POST`.
    #[must_use]
    pub fn post<F>(
        path: &'static str,
        summary: &'static str,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Reply, Problem>> + Send + 'static,
    {
        Self::new(Method::POST, path, Right::Write, summary, handler)
    }

    /// Who may, if not what the method suggests.
    #[must_use]
    pub fn right(mut self, right: Right) -> Self {
        self.right = right;
        self
    }

    /// Documents a parameter of the query.
    #[must_use]
    pub fn query(mut self, name: &'static str, doc: &'static str) -> Self {
        self.query.push((name, doc));
        self
    }

    /// Documents the body.
    #[must_use]
    pub fn takes<T: JsonSchema>(mut self) -> Self {
        self.takes = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Documents the answer.
    #[must_use]
    pub fn gives<T: JsonSchema>(mut self) -> Self {
        self.gives = Some(SchemaGenerator::subschema_for::<T>);
        self
    }
}
