//! From a provider's fault to an error that a person can act on: the kind, and the setting or command that mends it.

use std::fmt;

use super::Session;
use crate::error::{Error, Kind};
use crate::http::CertificateFlaw;
use crate::oidc::Fault;
use crate::oidc::NotJwt;
use crate::oidc::access_token::flaw::Flaw;
use crate::oidc::access_token::mend::mend;
use crate::settings::schema::{self, Setting};
use crate::settings::{SessionKind, Settings};
use crate::ui::foreign;
use crate::vendor::Vendor;

/// What a fault has met.
#[derive(Clone, Copy)]
pub enum Doing {
    SignIn,
    Renewal,
    /// A program asks for a token.
    Obtain,
    /// Somebody sets the provider up, and nothing is kept yet.
    SetUp,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignIn => "sign in",
            Self::Renewal => "renew the session",
            Self::Obtain => "get a token",
            Self::SetUp => "set up sign-ins",
        })
    }
}

/// Explains a fault to whoever has these settings.
pub fn fault(settings: &Settings, doing: Doing, fault: Fault) -> Error {
    let failed = format!("cannot {doing} at `{}`", foreign(&settings.issuer));
    let error = |kind| Error::new(kind, failed.clone()).because_of(fault.to_string());
    match &fault {
        Fault::Refused { error: code, description } => refused(settings, doing, &failed, code, description.as_deref()),
        Fault::Broken { .. } => error(Kind::RuleBroken),
        Fault::OtherIssuer { .. } => error(Kind::RuleBroken).hint(format!(
            "set the issuer exactly as the provider writes it: {}",
            settings.how_to_set(&schema::ISSUER, "ISSUER")
        )),
        Fault::Untrusted { flaw, .. } => {
            let error = error(Kind::RuleBroken);
            match flaw {
                CertificateFlaw::UnknownAuthority => error.hint(format!(
                    "if your company has a certificate authority of its own, or inspects TLS, trust it: {}",
                    settings.how_to_set(&schema::CA_FILE, "CA.pem")
                )),
                CertificateFlaw::OutOfTime => error
                    .hint("compare this computer's clock with another; if it is right, the provider has to renew its certificate"),
                CertificateFlaw::OtherHost => error.hint(format!(
                    "check the host in the issuer, and whether a portal or proxy answers in its place: {}",
                    settings.how_to_set(&schema::ISSUER, "ISSUER")
                )),
                CertificateFlaw::Other => error,
            }
        }
        Fault::NoDeviceFlow => error(Kind::Config).hint(format!(
            "sign in with a browser: `{}`, or allow the device flow at the provider",
            settings.command("login")
        )),
        Fault::Unsupported { .. } => error(Kind::Config),
        Fault::Unavailable { retry_after: Some(seconds @ 1..), .. } => {
            error(Kind::Unavailable).hint(format!("try again in {seconds} s, as the provider asks"))
        }
        Fault::Unavailable { .. } => error(Kind::Unavailable).hint(match doing {
            // A code is good for one exchange, so a person who had come that far has to come again.
            Doing::SignIn => format!("check the network and the proxy, then run `{}` again", settings.login_again()),
            Doing::Renewal => "check the network and the proxy, then try again; the session is kept".to_owned(),
            Doing::Obtain => "check the network and the proxy, then try again".to_owned(),
            Doing::SetUp => "check the issuer, the network and the proxy, then try again".to_owned(),
        }),
    }
}

fn refused(settings: &Settings, doing: Doing, failed: &str, code: &str, description: Option<&str>) -> Error {
    let (kind, hint) = match doing {
        Doing::Obtain => mend_program(settings, code),
        Doing::SignIn | Doing::Renewal | Doing::SetUp => mend_person(settings, code),
    };
    let reason = match description {
        Some(text) => format!("the provider says `{code}`: {text}"),
        None => format!("the provider says `{code}`"),
    };
    hint.into_iter().fold(Error::new(kind, failed).because_of(reason), Error::hint)
}

/// What mends an OAuth error code (RFC 6749 §4.1.2.1, §5.2; OIDC Core §3.1.2.6; RFC 8628 §3.5; RFC 8707 §2).
fn mend_person(settings: &Settings, code: &str) -> (Kind, Option<String>) {
    match code {
        "access_denied" => (Kind::Denied, None),
        "expired_token" => {
            (Kind::TimedOut, Some(format!("run `{}` for a new code", settings.command("login --device"))))
        }
        // Only a sign-in gets here with it (a renewal that meets it has ended its session): the person was there.
        "invalid_grant" => (Kind::Denied, Some(format!("run `{}` again", settings.login_again()))),
        "login_required" | "interaction_required" | "consent_required" | "account_selection_required" => {
            (Kind::LoginRequired, Some(format!("run `{}`", settings.command("login"))))
        }
        "invalid_scope" => {
            (Kind::Config, Some(format!("ask for other scopes: {}", settings.how_to_set(&schema::SCOPE, "openid"))))
        }
        "invalid_target" => (
            Kind::Config,
            Some(format!("correct `resource`: {}", settings.how_to_set(&schema::RESOURCE, "IDENTIFIER"))),
        ),
        "invalid_client" | "unauthorized_client" => (
            Kind::Config,
            Some(
                "check `client_id`, and at the provider that it is a public native client with this grant type"
                    .to_owned(),
            ),
        ),
        "invalid_request" => (
            Kind::Config,
            Some(format!("check that the provider has the redirect URI {} registered", redirect_uris(settings))),
        ),
        // From the token endpoint these are faults of their own; here a browser has brought them.
        "server_error" | "temporarily_unavailable" => {
            (Kind::Unavailable, Some(format!("run `{}` again in a while", settings.login_again())))
        }
        _ => (Kind::Denied, None),
    }
}

/// The same where a program asks with credentials of its own: nobody can sign in instead.
fn mend_program(settings: &Settings, code: &str) -> (Kind, Option<String>) {
    let hint = match code {
        "invalid_client" if settings.client_key_file.is_some() => format!(
            "check at the provider that it knows this key; one that wants its issuer named in assertions: {}",
            settings.how_to_set(&schema::CLIENT_ASSERTION_AUDIENCE, "issuer")
        ),
        "invalid_client" => "check `client_id`, and that its secret has not expired or been replaced".to_owned(),
        "unauthorized_client" | "unsupported_grant_type" => {
            "allow the grant type `client_credentials` for this client at the provider".to_owned()
        }
        "invalid_scope" => format!("correct `scope`: {}", settings.how_to_set(&schema::SCOPE, "SCOPE")),
        "invalid_target" => format!("correct `resource`: {}", settings.how_to_set(&schema::RESOURCE, "IDENTIFIER")),
        // Entra ID and others have this word for every mistake in a request.
        "invalid_request" => "check `client_id`, `scope` and `resource`".to_owned(),
        _ => return (Kind::Denied, None),
    };
    (Kind::Config, Some(hint))
}

fn redirect_uris(settings: &Settings) -> String {
    settings.redirect_uris.iter().map(|uri| format!("`{uri}`")).collect::<Vec<_>>().join(", ")
}

impl Session<'_> {
    pub(super) fn explain(&self, doing: Doing, met: Fault) -> Error {
        fault(self.settings, doing, met)
    }

    /// As [`Settings::how_to_set`].
    pub(super) fn set(&self, setting: &Setting, value: &str) -> String {
        self.settings.how_to_set(setting, value)
    }

    /// Explains why the token itself is of no use to MongoDB: what mends it at the provider, and what in the profile.
    pub(super) fn explain_token(&self, flaw: &Flaw) -> Error {
        if self.settings.kind.is_program() {
            return self.explain_program_token(flaw);
        }
        let vendor = Vendor::of(&self.settings.issuer);
        let error = Error::new(Kind::RuleBroken, "the provider's access token is of no use to MongoDB")
            .because_of(flaw.to_string());
        let error = mend(flaw, vendor).into_iter().fold(error, Error::hint);
        match flaw {
            Flaw::NotJwt(NotJwt::Opaque | NotJwt::Encrypted) => {
                let api = format!(
                    "to ask for an API: {} or `--auth-param audience=IDENTIFIER`",
                    self.set(&schema::RESOURCE, "IDENTIFIER")
                );
                let id_token = format!("to hand out the ID token: {}", self.set(&schema::ID_TOKEN, "true"));
                match vendor {
                    Vendor::Auth0 => error.hint(api),
                    Vendor::Ping | Vendor::Google => error.hint(id_token),
                    Vendor::Generic => error.hint(api).hint(id_token),
                    Vendor::Entra | Vendor::Okta | Vendor::Keycloak | Vendor::Kubernetes | Vendor::Github => error,
                }
            }
            Flaw::Audience { .. } if flaw.is_microsoft_graph() => error.hint(format!(
                "to ask for it: {}",
                self.set(&schema::SCOPE, &format!("{}/.default openid offline_access", self.settings.client_id))
            )),
            Flaw::Audience { found, .. } => match found.as_slice() {
                [one] => error.hint(format!(
                    "if that is the audience the MongoDB server is configured with: {}",
                    self.set(&schema::AUDIENCE, &foreign(one))
                )),
                _ => error,
            },
            Flaw::Expired(_) => error.hint("compare this computer's clock with the provider's"),
            _ => error,
        }
    }

    /// The same for a program's token, which no setting of a sign-in can mend.
    fn explain_program_token(&self, flaw: &Flaw) -> Error {
        let kind = self.settings.kind;
        let is_given = kind == SessionKind::Command || self.token_file().is_some();
        let what = format!("the token of {} is of no use to MongoDB", self.name());
        let error = Error::new(Kind::RuleBroken, what).because_of(flaw.to_string());
        let at_provider = |error| mend(flaw, Vendor::of(&self.settings.issuer)).into_iter().fold(error, Error::hint);
        match flaw {
            Flaw::NotJwt(_) if is_given => {
                error.hint("what the file or the command gives must be a JWT and nothing else")
            }
            Flaw::NotJwt(NotJwt::Opaque | NotJwt::Encrypted) if kind == SessionKind::ClientCredentials => {
                at_provider(error).hint(format!(
                    "to ask for an API: {}, or {}",
                    self.set(&schema::SCOPE, "SCOPE"),
                    self.set(&schema::RESOURCE, "IDENTIFIER")
                ))
            }
            Flaw::NotJwt(_) if kind == SessionKind::AzureManagedIdentity => error.hint(format!(
                "ask for an application of your own, since tokens for Microsoft's services may have any form: {}",
                self.set(&schema::RESOURCE, "APPLICATION-ID-URI")
            )),
            // What the other platforms give is set up nowhere.
            Flaw::NotJwt(_) if kind != SessionKind::ClientCredentials => error,
            Flaw::Audience { .. } if flaw.is_microsoft_graph() => at_provider(error)
                .hint(format!("to ask for it: {}", self.set(&schema::SCOPE, "APPLICATION-ID/.default"))),
            Flaw::Audience { found, .. } => match found.as_slice() {
                [one] => error.hint(format!(
                    "if that is the audience the MongoDB server is configured with: {}",
                    self.set(&schema::AUDIENCE, &foreign(one))
                )),
                _ => error,
            },
            // Somebody else's to mend, and perhaps under way.
            Flaw::Expired(_) if is_given => {
                Error::new(Kind::Unavailable, format!("the token of {} has expired", self.name()))
                    .because_of(flaw.to_string())
                    .hint("look after whatever replaces it")
            }
            Flaw::Expired(_) => error.hint("compare this computer's clock with the provider's"),
            _ => at_provider(error),
        }
    }
}
