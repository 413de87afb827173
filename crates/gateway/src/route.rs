//! Which call goes to which upstream.

use std::sync::Arc;

use atalaya_wire::{Protocol, protocols};

use crate::config::{GatewayConfig, Route};
use crate::upstream::{Target, UpstreamConfigError};

/// All routes, resolved.
pub(crate) struct Routes {
    pub(crate) targets: Vec<Arc<Target>>,
    routes: Vec<(Route, usize, Vec<usize>)>,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination<'r> {
    pub(crate) target: usize,
    pub(crate) name: &'r str,
    pub(crate) path_prefix: &'r str,
    pub(crate) failover: &'r [usize],
}

impl Routes {
    pub(crate) fn new(config: &GatewayConfig) -> Result<Self, UpstreamConfigError> {
        let mut targets = Vec::new();
        let mut names = Vec::new();
        for (name, upstream) in &config.upstreams {
            targets.push(Arc::new(Target::new(name, upstream)?));
            names.push(name.as_str());
        }
        let mut routes = Vec::new();
        for route in &config.routes {
            let find = |wanted: &String| {
                let found = names.iter().position(|name| name == wanted);
                found.ok_or_else(|| UpstreamConfigError {
                    name: wanted.clone(),
                    problem: format!(
                        "a route names it, but `upstreams` only has {}",
                        names.join(", ")
                    ),
                })
            };
            let target = find(&route.upstream)?;
            let failover = route.failover.iter().map(find).collect::<Result<_, _>>()?;
            routes.push((route.clone(), target, failover));
        }
        Ok(Self { targets, routes })
    }

    /// The protocol that a route gives a path which no protocol knows by itself.
    pub(crate) fn claimed(&self, path: &str) -> Option<&'static dyn Protocol> {
        let (route, ..) = self.routes.iter().find(|(route, ..)| {
            route
                .path_prefix
                .as_deref()
                .is_some_and(|prefix| has_prefix(path, prefix))
        })?;
        protocols::by_name(route.protocol.as_deref()?).filter(|protocol| protocol.is_claimable())
    }

    pub(crate) fn find(&self, protocol: &str, path: &str, model: &str) -> Option<Destination<'_>> {
        let (route, target, failover) = self.routes.iter().find(|(route, ..)| {
            route
                .protocol
                .as_deref()
                .is_none_or(|wanted| wanted == protocol)
                && route
                    .path_prefix
                    .as_deref()
                    .is_none_or(|prefix| has_prefix(path, prefix))
                && route
                    .model
                    .as_deref()
                    .is_none_or(|wanted| covers(wanted, model))
        })?;
        Some(Destination {
            target: *target,
            failover,
            name: route.name.as_deref().unwrap_or(&route.upstream),
            path_prefix: route
                .path_prefix
                .as_deref()
                .unwrap_or("")
                .trim_end_matches('/'),
        })
    }
}

fn has_prefix(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn covers(pattern: &str, model: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == model, |start| model.starts_with(start))
}
