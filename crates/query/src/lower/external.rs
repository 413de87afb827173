//! `externaldata`: rows of files that the configuration allows.

use atalaya_kql::bound::{RelNode, RelOp};

use super::{Held, LowerError, Lowered, Lowering};
use crate::files::read_external;

impl Lowering<'_> {
    pub(super) fn external(&self, node: &RelNode) -> Lowered<Held> {
        let RelOp::External {
            urls,
            format,
            skips_first,
        } = &node.op
        else {
            return Err(LowerError::Limit("not external data".to_owned()));
        };
        let mut batches = Vec::new();
        for url in urls {
            // What follows a semicolon is a key of the storage, none of our business.
            let url = url.split(';').next().unwrap_or_default();
            let Some(path) = self.source.external(url) else {
                let message = "`externaldata` is refused: the address is not among those that \
                               `query.external_data` allows";
                return Err(LowerError::unsupported(message, node.span));
            };
            let rows = read_external(&path, format.as_deref(), *skips_first, &node.schema);
            batches.push(rows.map_err(|error| LowerError::Limit(error.to_string()))?);
        }
        self.counted(batches)
    }
}
