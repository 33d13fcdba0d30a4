//! From a provider's fault to an error that a person can act on: the kind, and the setting or command that mends it.

use super::Session;
use crate::error::{Error, Kind};
use crate::oidc::Fault;
use crate::oidc::access_token::Refusal;
use crate::ui::foreign;

impl Session<'_> {
    /// Explains a fault that met `doing` ("sign in", "renew the session").
    pub(super) fn explain(&self, doing: &str, fault: Fault) -> Error {
        let failed = format!("cannot {doing} at `{}`", foreign(&self.settings.issuer));
        match fault {
            Fault::Refused { error, description } => self.refused(&failed, &error, description),
            Fault::Broken { what, why } => self.broken(&failed, &what, &why),
            Fault::Unsupported { what, why } => {
                let error = Error::new(Kind::Config, failed).because_of(format!("{what}: {why}"));
                if what.contains("device_authorization_endpoint") {
                    error.hint(format!(
                        "sign in with a browser: `{}`, or allow the device flow at the provider",
                        self.command("login")
                    ))
                } else {
                    error
                }
            }
            Fault::Unavailable { why, retry_after, .. } => {
                let error = Error::new(Kind::Unavailable, failed).because_of(why);
                match retry_after {
                    Some(seconds @ 1..) => error.hint(format!("try again in {seconds} s, as the provider asks")),
                    _ => error.hint("check the network and the proxy, then try again; nothing was lost"),
                }
            }
        }
    }

    fn broken(&self, failed: &str, what: &str, why: &str) -> Error {
        let error = Error::new(Kind::RuleBroken, failed).because_of(format!("{what}: {why}"));
        if what.starts_with("the TLS certificate") {
            error.hint("if your company inspects TLS, give its CA with `--ca-file` or `ca_file` in the profile")
        } else if what.contains("`issuer`") {
            error.hint(format!("set the issuer exactly as the provider writes it: {}", self.set("issuer=…")))
        } else {
            error
        }
    }

    /// OAuth error codes (RFC 6749 §4.1.2.1, §5.2; OIDC Core §3.1.2.6; RFC 8628 §3.5; RFC 8707 §2).
    fn refused(&self, failed: &str, code: &str, description: Option<String>) -> Error {
        let (kind, hint) = match code {
            "access_denied" => (Kind::Denied, None),
            "expired_token" => {
                (Kind::TimedOut, Some(format!("run `{}` for a new code", self.command("login --device"))))
            }
            "invalid_grant"
            | "login_required"
            | "interaction_required"
            | "consent_required"
            | "account_selection_required" => (Kind::LoginRequired, Some(format!("run `{}`", self.command("login")))),
            "invalid_scope" => {
                (Kind::Config, Some(format!("ask for other scopes: {}", self.set("scopes='[\"openid\"]'"))))
            }
            "invalid_target" => (Kind::Config, Some(format!("correct `resource`: {}", self.set("resource=…")))),
            "invalid_client" | "unauthorized_client" => (
                Kind::Config,
                Some(
                    "check `client_id`, and at the provider that it is a public native client with this grant type"
                        .to_owned(),
                ),
            ),
            "invalid_request" => (
                Kind::Config,
                Some(format!("check that the provider has the redirect URI {} registered", self.redirect_uris())),
            ),
            _ => (Kind::Denied, None),
        };
        let reason = match description {
            Some(text) => format!("the provider says `{code}`: {text}"),
            None => format!("the provider says `{code}`"),
        };
        // Many tenants forbid the device flow, and their users are told nothing useful (AADSTS53003, AADSTS50199).
        let error = Error::new(kind, failed).because_of(reason);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn redirect_uris(&self) -> String {
        self.settings.redirect_uris.iter().map(|uri| format!("`{uri}`")).collect::<Vec<_>>().join(", ")
    }

    /// The command that changes a setting of this session.
    pub(super) fn set(&self, assignment: &str) -> String {
        match &self.settings.profile {
            Some(profile) => format!("`mdb-login profile set {profile} {assignment}`"),
            None => format!("`{assignment}` in a profile, or its flag"),
        }
    }

    /// Explains why the token itself is of no use to MongoDB, and which setting of which provider mends it.
    pub(super) fn explain_token(&self, refusal: &Refusal) -> Error {
        let error = Error::new(Kind::RuleBroken, "the provider's access token is of no use to MongoDB")
            .because_of(refusal.to_string());
        match refusal {
            Refusal::Opaque(_) => error
                .hint("Okta: use a custom authorization server (issuer `https://<domain>/oauth2/<id>`), not the org server")
                .hint(format!(
                    "Auth0 and others: ask for an API, with {} or `--auth-param audience=<API identifier>`",
                    self.set("resource=<API identifier>")
                ))
                .hint(format!("Ping, Google and others without JWT access tokens: {} and set the server up for ID tokens", self.set("id_token_as_access_token=true"))),
            Refusal::Audience { .. } if refusal.is_microsoft_graph() => error.hint(format!(
                "Entra ID gives a Microsoft Graph token unless a scope of the application is asked for: {}",
                self.set(&format!("scopes='[\"{}/.default\", \"openid\", \"offline_access\"]'", self.settings.client_id))
            )),
            Refusal::Audience { found, .. } => {
                let error = match found.as_slice() {
                    [one] => error.hint(format!(
                        "if that is the audience the MongoDB server is configured with: {}",
                        self.set(&format!("audience={}", foreign(one)))
                    )),
                    _ => error,
                };
                error.hint("Keycloak: add an audience mapper to the client; Okta: set the authorization server's audience; Entra ID: ask for `<client id>/.default`")
            }
            Refusal::Expired => error.hint("compare this computer's clock with the provider's"),
        }
    }
}
