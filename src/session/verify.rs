//! The session at a real server: does it take the token?

use super::{Freshness, Session, block_on, server};
use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::mongo::client::Verified;
use crate::mongo::uri::Uri;
use crate::oidc::access_token;
use crate::store::cache::CachedToken;
use crate::ui::foreign;

impl Session<'_> {
    /// Authenticates at the server with a token of this session, and gives what the server says and the token that it took.
    ///
    /// # Errors
    /// `Kind::Denied` where the server refuses the token, with every reason that can be known on this side: the server says
    /// none (§5 of the driver specification has one code for all).
    pub fn verify(&self, uri: &Uri, privileges: bool) -> Result<(Verified, CachedToken)> {
        let cached = self.token(&Freshness { min_ttl: self.settings.min_ttl, force: false })?;
        if let Some(verified) = self.try_token(uri, &cached, privileges)? {
            return Ok((verified, cached));
        }
        // Revoked keys and changed groups make a server refuse what has not expired: a new token is the test of that.
        let token = match self.token(&Freshness { min_ttl: None, force: true }) {
            Ok(renewed) => match self.try_token(uri, &renewed, privileges)? {
                Some(verified) => return Ok((verified, renewed)),
                None => renewed,
            },
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(_) => cached,
        };
        Err(self.explain_refused_token(uri, &token))
    }

    fn try_token(&self, uri: &Uri, token: &CachedToken, privileges: bool) -> Result<Option<Verified>> {
        block_on(server::target(self.settings, uri).verify(&token.token, server::trust_of(self.settings), privileges))?
    }

    fn explain_refused_token(&self, uri: &Uri, token: &CachedToken) -> Error {
        let mut error =
            Error::new(Kind::Denied, format!("`{}` refused the token: authentication failed", foreign(&uri.server())));
        for reason in access_token::refused_by_servers(&token.token, &self.expectation(), unix_now()) {
            error = error.because_of(reason);
        }
        // A server names one provider of people; a token of another is no good there. Of programs it says nothing.
        if !self.settings.kind.is_program()
            && let Ok(info) = server::discover(self.settings, uri)
        {
            if info.issuer != token.issuer {
                let (theirs, ours) = (foreign(&info.issuer), foreign(&token.issuer));
                error = error.because_of(format!("it trusts the issuer `{theirs}`, and this token is from `{ours}`"));
            } else if info.client_id.as_ref().is_some_and(|id| *id != token.client_id) {
                error = error.because_of(format!(
                    "people sign in there with the client id `{}`, and this token is for `{}`",
                    foreign(&info.client_id.unwrap_or_default()),
                    foreign(&token.client_id)
                ));
            }
        }
        error
            .hint(format!("its audience is `{}`: the server's `audience` must be the same", foreign(&token.audience)))
            .hint(format!("run `{}` to have it judged rule by rule", self.command("inspect")))
            .hint("the server's log says why, in a line of the component ACCESS; ask whoever runs it")
    }
}
