//! Google: the metadata server beside the workload, and the two services that a service account's key leads to. From
//! cloud.google.com: "About VM metadata" and "Verify VM identity" (that `X-Forwarded-For` is refused, but not with which status);
//! "Get an ID token"; the reference of `projects.serviceAccounts.generateIdToken`. From developers.google.com: "Using OAuth 2.0
//! for server to server applications".

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Minter, Platform, credentials, form, json_body, now, query};
use crate::support::idp::{Key, jwt};
use crate::support::peer::{Arrived, Reply};

/// A service account.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    pub email: String,
    /// The numeric id, which is the `sub` of its tokens.
    pub unique_id: String,
}

impl ServiceAccount {
    pub fn new(name: &str, number: u32) -> Self {
        Self { email: format!("{name}@project.iam.gserviceaccount.com"), unique_id: format!("1{number:020}") }
    }

    /// An ID token of this account for `audience`.
    fn token(&self, mint: &Minter, audience: &str, with_email: bool) -> String {
        let mut claims = json!({ "sub": self.unique_id, "azp": self.unique_id, "aud": audience });
        if with_email {
            claims["email"] = json!(self.email);
            claims["email_verified"] = json!(true);
        }
        mint.mint(claims)
    }
}

/// The metadata server of a virtual machine, a container or a function.
pub struct Metadata {
    /// The first is `default`.
    pub accounts: Vec<ServiceAccount>,
    /// Access tokens that [`Google`] takes.
    pub access_token: String,
    mint: Minter,
}

impl Metadata {
    pub fn new(mint: Minter) -> Self {
        let access_token = format!("ya29.{}", jwt::random(24));
        Self { accounts: vec![ServiceAccount::new("orders", 1)], access_token, mint }
    }

    fn request(&self, request: &Arrived) -> Result<Reply, (u16, &'static str)> {
        if request.method != "GET" {
            return Err((405, "method not allowed"));
        }
        // Whoever can make this program send a request cannot, as a rule, make it send a header.
        if request.header("metadata-flavor") != Some("Google") {
            return Err((403, "Missing Metadata-Flavor:Google header."));
        }
        if request.header("x-forwarded-for").is_some() {
            return Err((403, "X-Forwarded-For is not allowed"));
        }
        let path =
            request.path.strip_prefix("/computeMetadata/v1/instance/service-accounts/").ok_or((404, "not found"))?;
        let (account, resource) = path.split_once('/').ok_or((404, "not found"))?;
        let account = match account {
            "default" => self.accounts.first(),
            email => self.accounts.iter().find(|account| account.email == email),
        };
        let account = account.ok_or((404, "Service account not defined on this instance."))?;
        let parameters = |known: &[&str]| query(request, known).map_err(|_| (400, "unknown or duplicate parameter"));
        match resource {
            "identity" => {
                let parameters = parameters(&["audience", "format", "licenses"])?;
                let audience = parameters.get("audience").ok_or((400, "non-empty audience parameter required"))?;
                let full = match parameters.get("format") {
                    None | Some("standard") => false,
                    Some("full") => true,
                    Some(_) => return Err((400, "unknown format")),
                };
                Ok(Reply::new(200, "text/html", account.token(&self.mint, audience, full)))
            }
            "token" => {
                parameters(&["scopes"])?;
                let answer = json!({ "access_token": self.access_token, "expires_in": 3599, "token_type": "Bearer" });
                Ok(Reply::json(200, &answer))
            }
            _ => Err((404, "not found")),
        }
    }
}

impl Platform for Metadata {
    fn answer(&mut self, request: &Arrived) -> Reply {
        let refusal =
            |(status, why)| Reply::html(status, format!("<!DOCTYPE html><title>Error {status}</title><p>{why}"));
        let reply = self.request(request).unwrap_or_else(refusal);
        reply.header("metadata-flavor", "Google").header("server", "Metadata Server for VM")
    }
}

/// `oauth2.googleapis.com` and `iamcredentials.googleapis.com`.
pub struct Google {
    address: SocketAddr,
    /// The account whose key a file holds.
    pub account: ServiceAccount,
    pub key: Key,
    /// Accounts that [`Google::account`] may act as.
    pub lends: Vec<ServiceAccount>,
    /// Accounts that exist, and that it may not act as.
    pub refuses: Vec<ServiceAccount>,
    /// Access tokens with the right to call IAM.
    pub access_tokens: Vec<String>,
    mint: Minter,
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const IAM_SCOPES: [&str; 2] = ["https://www.googleapis.com/auth/iam", "https://www.googleapis.com/auth/cloud-platform"];

impl Google {
    pub fn new(mint: Minter, address: SocketAddr) -> Self {
        Self {
            address,
            account: ServiceAccount::new("builder", 2),
            key: Key::Second,
            lends: vec![ServiceAccount::new("orders", 1)],
            refuses: vec![ServiceAccount::new("payroll", 3)],
            access_tokens: Vec::new(),
            mint,
        }
    }

    fn token_uri(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// The key file of the account, as the console makes it.
    pub fn key_file(&self) -> Value {
        json!({
            "type": "service_account", "project_id": "project", "private_key_id": self.key.kid(),
            "private_key": self.key.pem(), "client_email": self.account.email, "client_id": self.account.unique_id,
            "auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": self.token_uri(),
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "universe_domain": "googleapis.com",
        })
    }

    fn exchange(&mut self, request: &Arrived) -> Result<Reply, (&'static str, String)> {
        let invalid = |why: &str| ("invalid_request", why.to_owned());
        let form = form(request, &["grant_type", "assertion"]).map_err(|why| invalid(&why))?;
        if form.get("grant_type") != Some(JWT_BEARER) {
            return Err(("unsupported_grant_type", "Invalid grant_type".to_owned()));
        }
        let grant = |why: &str| ("invalid_grant", why.to_owned());
        let assertion = form.get("assertion").ok_or_else(|| invalid("Missing required parameter: assertion"))?;
        let claims = self.key.verify(assertion).map_err(|_| grant("Invalid JWT Signature."))?;
        if claims["iss"] != self.account.email {
            return Err(grant("Invalid grant: account not found"));
        }
        if claims["aud"] != self.token_uri() {
            return Err(grant("Invalid JWT: audience is not the token endpoint"));
        }
        let (issued, expires) =
            (claims["iat"].as_u64().unwrap_or_default(), claims["exp"].as_u64().unwrap_or_default());
        if issued > now() + 60 || expires <= now() || expires.saturating_sub(issued) > 3600 {
            return Err(grant(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
                 Check your iat and exp values in the JWT claim.",
            ));
        }
        match (claims["target_audience"].as_str(), claims["scope"].as_str()) {
            (Some(audience), None) if !audience.is_empty() => {
                let token = self.account.token(&self.mint, audience, true);
                Ok(Reply::json(200, &json!({ "id_token": token })))
            }
            (None, Some(scope)) if scope.split(' ').any(|scope| IAM_SCOPES.contains(&scope)) => {
                let token = format!("ya29.{}", jwt::random(24));
                self.access_tokens.push(token.clone());
                Ok(Reply::json(200, &json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" })))
            }
            _ => Err(("invalid_scope", "Invalid OAuth scope or ID token audience provided.".to_owned())),
        }
    }

    fn generate(&self, request: &Arrived, email: &str) -> Result<Reply, (u16, &'static str, String)> {
        let bearer = credentials(request, "Bearer").unwrap_or_default();
        if !self.access_tokens.iter().any(|known| known == bearer) {
            let why = "Request had invalid authentication credentials.";
            return Err((401, "UNAUTHENTICATED", why.to_owned()));
        }
        let invalid = |why: String| (400, "INVALID_ARGUMENT", why);
        let body = json_body(request).map_err(invalid)?;
        let members = body.as_object().ok_or_else(|| invalid("not an object".to_owned()))?;
        if let Some(name) = members.keys().find(|name| {
            !["audience", "includeEmail", "organizationNumberIncluded", "delegates"].contains(&name.as_str())
        }) {
            return Err(invalid(format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field.")));
        }
        let audience = body["audience"].as_str().filter(|audience| !audience.is_empty());
        let audience = audience.ok_or_else(|| invalid("audience is required".to_owned()))?;
        let Some(account) = self.lends.iter().find(|account| account.email == email) else {
            if self.refuses.iter().any(|account| account.email == email) {
                let why = "Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist).";
                return Err((403, "PERMISSION_DENIED", why.to_owned()));
            }
            return Err((404, "NOT_FOUND", "Not found; Gaia id not found for email".to_owned()));
        };
        let token = account.token(&self.mint, audience, body["includeEmail"] == true);
        Ok(Reply::json(200, &json!({ "token": token })))
    }
}

impl Platform for Google {
    fn answer(&mut self, request: &Arrived) -> Reply {
        let account = request.path.strip_prefix("/v1/projects/-/serviceAccounts/");
        match (request.method.as_str(), account.and_then(|rest| rest.strip_suffix(":generateIdToken"))) {
            ("POST", None) if request.path == "/token" => {
                self.exchange(request).unwrap_or_else(|(error, why)| Reply::error(400, error, &why))
            }
            ("POST", Some(email)) => {
                let email = percent_encoding::percent_decode_str(email).decode_utf8_lossy().into_owned();
                self.generate(request, &email).unwrap_or_else(|(status, name, why)| {
                    Reply::json(status, &json!({ "error": { "code": status, "message": why, "status": name } }))
                })
            }
            _ => Reply::html(404, "<title>Error 404 (Not Found)</title>"),
        }
    }
}
