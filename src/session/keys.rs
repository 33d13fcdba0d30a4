//! The session at every node of a deployment: which keys of its providers does each have?

use super::{Freshness, Session, block_on, server};
use crate::error::{Error, Kind, Result};
use crate::mongo::client::keys::{Answer, Keys, Node, Reload};
use crate::mongo::uri::Uri;

impl Session<'_> {
    /// Asks each node that tokens may go to for its keys; with `reload` it has to load them anew first.
    pub fn keys_of_nodes(&self, uri: &Uri, reload: Option<Reload>) -> Result<Vec<Node>> {
        let token = self.token(&Freshness { min_ttl: self.settings.min_ttl, force: false })?;
        let target = server::target(self.settings, uri);
        let nodes = block_on(target.keys(&token.token, server::trust_of(self.settings), reload))??;
        Ok(nodes.into_iter().map(|node| self.with_next_command(node)).collect())
    }

    fn with_next_command(&self, Node { address, answer }: Node) -> Node {
        let hinted = |error: Error| match error.kind() {
            Kind::LoginRequired => {
                let [renew, login] = ["token --force-refresh", "login"].map(|name| self.command(name));
                error.hint(format!("run `{renew}`, or `{login}` if that does not help"))
            }
            _ => error,
        };
        let answer = match answer {
            Answer::Failed(error) => Answer::Failed(hinted(error)),
            Answer::Keys(keys) => Answer::Keys(Keys { fault: keys.fault.map(hinted), ..keys }),
            left_out @ Answer::LeftOut(_) => left_out,
        };
        Node { address, answer }
    }
}
