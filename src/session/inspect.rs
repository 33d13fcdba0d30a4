//! A token before it goes to a server: the evidence is gathered, and judged by the server's rules.

use super::{Freshness, Session, block_on};
use crate::clock::unix_now;
use crate::error::{Error, Kind, Result};
use crate::federation::IdentityProvider;
use crate::oidc::access_token::keys::{self, Keys};
use crate::oidc::access_token::presented::Presented;
use crate::oidc::access_token::rules::{self, Evidence, Judged};
use crate::oidc::token::Clock;
use crate::signals;

/// What was found out about a token.
pub struct Inspection<'a> {
    pub judged: Vec<Judged>,
    /// The part of the server's configuration that it was measured by.
    pub provider: Option<&'a IdentityProvider>,
    /// The provider's time if it is known, in seconds since 1970.
    pub now: u64,
}

impl Session<'_> {
    /// The session's own token, as a program would get it. `offline`: as it lies there, whatever is left of its life.
    pub fn own_token(&self, offline: bool) -> Result<Presented> {
        // A file that something else keeps is at hand without anybody's being asked.
        let cached = if offline && self.token_file().is_none() {
            let any = Freshness { min_ttl: Some(std::time::Duration::ZERO), force: false };
            self.cached_token(&any).ok_or_else(|| {
                Error::new(Kind::Unavailable, "there is no token at hand, and renewing it is a request to the provider")
                    .hint("leave `--offline` out")
            })?
        } else {
            self.token(&Freshness { min_ttl: self.settings.min_ttl, force: false })?
        };
        Ok(Presented::bare(&cached.token))
    }

    /// Judges a token as a server with these providers would. The one that it belongs to is asked for its keys, and nobody
    /// else: an issuer that only the token names is not gone to.
    pub fn inspect<'a>(
        &self,
        presented: &Presented,
        providers: &'a [IdentityProvider],
        offline: bool,
    ) -> Result<Inspection<'a>> {
        let claims = presented.jwt().ok().map(|jwt| &jwt.claims);
        let provider = claims.and_then(|claims| rules::provider_for(claims, providers));
        let (keys, clock) = match provider {
            Some(_) if offline => (Keys::Unknown("nobody was asked (`--offline`)".to_owned()), None),
            Some(provider) => self.keys_of(&provider.issuer)?,
            None => (Keys::Unknown("it is not known which provider to ask".to_owned()), None),
        };
        let now = unix_now();
        let judged = rules::judge(&Evidence {
            presented,
            now,
            clock,
            keys: &keys,
            providers,
            id_token_wanted: self.settings.id_token_as_access_token,
        });
        Ok(Inspection { judged, provider, now: clock.map_or(now, |clock| clock.provider) })
    }

    fn keys_of(&self, issuer: &str) -> Result<(Keys, Option<Clock>)> {
        block_on(async {
            tokio::select! {
                biased;
                stop = signals::interrupted() => Err(stop),
                found = self.fetch_keys(issuer) => found,
            }
        })?
    }

    async fn fetch_keys(&self, issuer: &str) -> Result<(Keys, Option<Clock>)> {
        Ok(keys::fetch(&self.http_to(issuer)?, issuer).await)
    }

    /// The provider's keys as a server finds them, for somebody who sets a program up. Two requests, and nothing is kept.
    pub async fn server_keys(&self) -> Result<Keys> {
        Ok(self.fetch_keys(&self.settings.issuer).await?.0)
    }
}
