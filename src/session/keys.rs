//! The session at every node of a deployment: which keys of its providers does each have?

use super::{Freshness, Session, block_on, server};
use crate::error::Result;
use crate::mongo::client::keys::{Node, Reload};
use crate::mongo::uri::Uri;

impl Session<'_> {
    /// Asks each node that tokens may go to for its keys; with `reload` it has to load them anew first.
    pub fn keys_of_nodes(&self, uri: &Uri, reload: Option<Reload>) -> Result<Vec<Node>> {
        let token = self.token(&Freshness { min_ttl: self.settings.min_ttl, force: false })?;
        block_on(server::target(self.settings, uri).keys(&token.token, server::trust_of(self.settings), reload))?
    }
}
