//! GitHub Actions: the token of a workflow's run, from the service that the runner names.

use std::time::Duration;

use url::Url;

use super::environment::Variables;
use super::request::{self, Service};
use super::retry::Rule;
use super::{Ask, Obtained};
use crate::error::{Error, Kind, Result};
use crate::http::is_loopback;
use crate::oidc::Fault;
use crate::secret::Secret;

const ACTIONS: Service = Service::new("GitHub Actions", Rule::GITHUB);

const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

pub const VARIABLES: [&str; 2] = [URL, TOKEN];

pub async fn token(ask: &Ask<'_>) -> Result<Obtained> {
    let variables = Variables::new(&VARIABLES, ask.environment);
    let (url, bearer) = job(&variables, ask.audience.unwrap_or_default())?;
    let authorization = Secret::new(format!("Bearer {}", bearer.expose()));
    let headers = [("authorization", authorization.expose())];
    let request = request::get(&url, &headers).map_err(|fault| ACTIONS.failed(&fault))?;
    let answer = ACTIONS.ask(ask.http, &request).await.map_err(|fault| match fault {
        Fault::Refused { .. } => ACTIONS
            .failed(&fault)
            .hint("what the runner gives a job ends with it: run this in a step of the job, and check `audience`"),
        _ => ACTIONS.failed(&fault),
    })?;
    let token = request::member(&url, answer.response.body(), &["value"]).map_err(|fault| ACTIONS.failed(&fault))?;
    Ok(Obtained { token, expires_in: None, clock: answer.clock })
}

pub fn longest(timeout: Duration) -> Duration {
    ACTIONS.longest(timeout)
}

/// What the runner gives a job that may have tokens: where to ask, and with what.
fn job(variables: &Variables<'_>, audience: &str) -> Result<(Url, Secret)> {
    let (Some(mut url), Some(bearer)) = (variables.url(URL)?, variables.text(TOKEN)?) else {
        return Err(Error::new(Kind::Config, "this is not a job of GitHub Actions that may have tokens")
            .because_of(format!("looked for `{URL}` and `{TOKEN}`"))
            .hint("give the job in its workflow `permissions:` with `id-token: write`"));
    };
    if url.scheme() != "https" && !is_loopback(&url) {
        return Err(Error::new(Kind::Config, format!("environment variable `{URL}` must start with `https://`")));
    }
    url.query_pairs_mut().append_pair("audience", audience);
    Ok((url, Secret::new(bearer)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn the_audience_joins_what_the_url_has_already() {
        let at = |url: &str, token: &str| {
            let environment = |name: &str| Some(OsString::from(if name == URL { url } else { token }));
            job(&Variables::new(&VARIABLES, &environment), "mongodb & co")
                .map(|(url, _)| url.to_string())
                .map_err(|error| error.kind())
        };
        let expected = "https://run.example.com/idtoken?api-version=2.0&audience=mongodb+%26+co";
        assert_eq!(at("https://run.example.com/idtoken?api-version=2.0", "t").as_deref(), Ok(expected));
        for (url, token) in [
            ("", "t"),
            ("https://run.example.com/idtoken?api-version=2.0", ""),
            ("http://run.example.com/idtoken", "t"),
            ("nonsense", "t"),
            ("https://run.example.com/", "a\nb"),
        ] {
            assert_eq!(at(url, token), Err(Kind::Config), "{url} {token}");
        }
    }
}
