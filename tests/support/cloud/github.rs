//! The token service of GitHub Actions, as a job with `id-token: write` sees it. From docs.github.com: "OpenID Connect
//! reference" and "Configuring OpenID Connect in cloud providers".

use serde_json::json;

use super::{Minter, Platform, credentials, query};
use crate::support::idp::jwt;
use crate::support::peer::{Arrived, Reply};

/// The service, for one job.
pub struct Actions {
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, a secret.
    pub request_token: String,
    /// Who may not be asked for; the service has such a list of its own.
    pub refused_audiences: Vec<String>,
    mint: Minter,
}

impl Actions {
    /// Where `ACTIONS_ID_TOKEN_REQUEST_URL` leads; it has a query of its own.
    pub const PATH: &str = "/abc/idtoken/run/1/job/2?api-version=2.0";

    pub fn new(mint: Minter) -> Self {
        Self { request_token: format!("request-{}", jwt::random(24)), refused_audiences: Vec::new(), mint }
    }

    fn token(&self, request: &Arrived) -> Result<Reply, (u16, String)> {
        let (path, _) = Self::PATH.split_once('?').unwrap();
        if request.method != "GET" || request.path != path {
            return Err((404, "not found".to_owned()));
        }
        if credentials(request, "Bearer") != Some(&self.request_token) {
            return Err((401, "the request token is not valid".to_owned()));
        }
        let parameters = query(request, &["api-version", "audience"]).map_err(|why| (400, why))?;
        if parameters.get("api-version") != Some("2.0") {
            return Err((400, "no api-version was supplied".to_owned()));
        }
        let audience = parameters.get("audience").unwrap_or("https://github.com/octo-org");
        if self.refused_audiences.iter().any(|refused| refused == audience) {
            return Err((403, format!("Can't issue ID_TOKEN for audience '{audience}'.")));
        }
        let token = self.mint.mint(json!({
            "sub": "repo:octo-org/octo-repo:ref:refs/heads/main", "aud": audience, "repository": "octo-org/octo-repo",
            "ref": "refs/heads/main", "job_workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
        }));
        Ok(Reply::new(
            200,
            "application/json; charset=utf-8; api-version=2.0",
            json!({ "count": 1, "value": token }).to_string(),
        ))
    }
}

impl Platform for Actions {
    fn answer(&mut self, request: &Arrived) -> Reply {
        self.token(request).unwrap_or_else(|(status, why)| Reply::json(status, &json!({ "message": why })))
    }
}
