//! From an identity provider to what an administrator gives to MongoDB: one text for each place where such a thing is
//! kept.
//!
//! | file | what | source of its fields |
//! |---|---|---|
//! | `parameter` | `oidcIdentityProviders`: configuration file, JSON, command line | MongoDB manual, server parameters |
//! | `planes` | Cloud Manager's page, automation configuration, Kubernetes operator | their documentation; the operator's resource definition |
//! | `atlas` | Atlas Admin API, Terraform | API specification; provider's documentation |
//! | `principals` | roles and users, as mongosh creates them | MongoDB manual, `db.createRole` |
//!
//! Each text is written by the rules of its format (JSON's strings in JSON, YAML and JavaScript; HCL's; the shell's), so
//! a name cannot become anything else, whatever is in it.

mod atlas;
mod parameter;
mod planes;
mod principals;

use std::fmt::Write as _;

use serde::Serialize;

use super::IdentityProvider;
use crate::ui::report::Page;

pub use principals::{Grant, Principals};

/// The mechanisms of a server that nobody has configured, and ours. The parameter replaces the whole list, and turning
/// this mechanism on should not turn off those that agents, administrators and other members of the cluster use.
pub const MECHANISMS: &str = "SCRAM-SHA-1,SCRAM-SHA-256,MONGODB-X509,MONGODB-OIDC";

/// Where the text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
    CommandLine,
    CloudManager,
    Automation,
    Atlas,
    Terraform,
    Kubernetes,
    Roles,
}

impl Format {
    pub const ALL: [Self; 9] = [
        Self::Yaml,
        Self::Json,
        Self::CommandLine,
        Self::CloudManager,
        Self::Automation,
        Self::Atlas,
        Self::Terraform,
        Self::Kubernetes,
        Self::Roles,
    ];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::CommandLine => "command-line",
            Self::CloudManager => "cloud-manager",
            Self::Automation => "automation",
            Self::Atlas => "atlas",
            Self::Terraform => "terraform",
            Self::Kubernetes => "kubernetes",
            Self::Roles => "roles",
        }
    }

    /// What it is, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::Yaml => "Configuration file of mongod and mongos",
            Self::Json => "The list oidcIdentityProviders by itself",
            Self::CommandLine => "Options of mongod and mongos, quoted for a shell",
            Self::CloudManager => "What to fill in, in Cloud Manager and Ops Manager",
            Self::Automation => "Automation configuration of Cloud Manager and Ops Manager",
            Self::Atlas => "Atlas Admin API",
            Self::Terraform => "Atlas, by Terraform",
            Self::Kubernetes => "Part of the Kubernetes operator's resource",
            Self::Roles => "mongosh commands that create the roles of groups, or the users",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// A configuration, and what there is to be said of it. It ends with a line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    pub text: String,
    /// For people: where it goes, what else to do. Without a full stop.
    pub notes: Vec<String>,
}

impl Configuration {
    fn new(text: String, notes: &[&str]) -> Self {
        Self { text, notes: notes.iter().map(|&note| note.to_owned()).collect() }
    }
}

/// Why the format cannot say it. Fields are called as in `oidcIdentityProviders`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has no place for the field.
    NoPlace(&'static str),
    /// The field may have so many characters at most.
    TooLong(&'static str, usize),
}

/// Writes `provider` down. `principals` are for [`Format::Roles`] alone, `page` for [`Format::CloudManager`].
pub fn emit(
    format: Format,
    provider: &IdentityProvider,
    principals: &Principals,
    page: Page,
) -> Result<Configuration, Unfit> {
    Ok(match format {
        Format::Yaml => parameter::yaml(provider),
        Format::Json => parameter::json(provider),
        Format::CommandLine => parameter::command_line(provider),
        Format::CloudManager => planes::cloud_manager(provider, page)?,
        Format::Automation => planes::automation(provider)?,
        Format::Kubernetes => planes::kubernetes(provider)?,
        Format::Atlas => atlas::admin_api(provider)?,
        Format::Terraform => atlas::terraform(provider)?,
        Format::Roles => principals::mongosh(provider, principals),
    })
}

/// `oidcIdentityProviders` alone, as JSON.
pub fn list(provider: &IdentityProvider) -> String {
    parameter::json(provider).text
}

/// Refuses what has no place in anything but the server's own parameter.
fn without_pattern_and_log(provider: &IdentityProvider) -> Result<(), Unfit> {
    if provider.match_pattern.is_some() {
        return Err(Unfit::NoPlace("matchPattern"));
    }
    if provider.log_claims.is_some() { Err(Unfit::NoPlace("logClaims")) } else { Ok(()) }
}

/// The same, where keys cannot be polled either.
fn without_polling(provider: &IdentityProvider) -> Result<(), Unfit> {
    without_pattern_and_log(provider)?;
    if provider.jwks_poll_secs.is_some() { Err(Unfit::NoPlace("JWKSPollSecs")) } else { Ok(()) }
}

/// JSON with line breaks, in the order in which the fields are declared.
fn pretty(value: &impl Serialize) -> String {
    // Texts, numbers and lists: nothing that could fail.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// A string of JSON, which is one of YAML (in double quotes) and of JavaScript as well.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn line(text: &mut String, indent: usize, content: &str) {
    let _ = writeln!(text, "{:indent$}{content}", "");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::federation::{Authorization, read};

    /// What shows, quotes, backslashes, `$` and other alphabets included; what does not is refused before it gets here.
    fn text() -> impl Strategy<Value = String> {
        "[!-~äß東☃]([ -~äß東☃]{0,20}[!-~äß東☃])?"
    }

    prop_compose! {
        fn provider()(
            issuer in "https://[a-z]{1,9}(/[!-~]{1,9})?",
            (audience, principal_name, claim) in (text(), text(), text()),
            auth_name_prefix in "[A-Za-z0-9_-]{1,20}",
            match_pattern in prop::option::of(text()),
            client_id in "[!-~]{1,20}",
            request_scopes in prop::collection::vec("[!#-\\[\\]-~]{1,9}", 0..3),
            supports_human_flows in any::<bool>(),
            by_groups in any::<bool>(),
            log_claims in prop::option::of(prop::collection::vec(text(), 1..3)),
            jwks_poll_secs in prop::option::of(0..=i32::MAX as u32),
        ) -> IdentityProvider {
            IdentityProvider {
                issuer, audience, auth_name_prefix, match_pattern, request_scopes, principal_name, log_claims, jwks_poll_secs,
                client_id: supports_human_flows.then_some(client_id),
                supports_human_flows,
                authorization: if by_groups { Authorization::GroupMembership(claim) } else { Authorization::UserId },
            }
        }
    }

    fn written(format: Format, provider: &IdentityProvider) -> String {
        let page = Page { width: 80, colour: false };
        emit(format, provider, &Principals::default(), page).unwrap().text
    }

    fn read_back(format: Format, provider: &IdentityProvider) -> Vec<IdentityProvider> {
        read(&written(format, provider)).providers
    }

    proptest! {
        /// What `server check` reads is what was written, whatever is in the names.
        #[test]
        fn the_parameter_is_read_back_as_it_was(provider in provider()) {
            for format in [Format::Yaml, Format::Json, Format::CommandLine] {
                prop_assert_eq!(read_back(format, &provider), vec![provider.clone()], "{:?}", format);
            }
        }

        #[test]
        fn the_automation_configuration_is_read_back_as_it_was(provider in provider()) {
            let provider = IdentityProvider { match_pattern: None, log_claims: None, ..provider };
            prop_assert_eq!(read_back(Format::Automation, &provider), vec![provider.clone()]);
        }

        /// The same by a parser of YAML that has nothing to do with ours.
        #[test]
        fn any_parser_of_yaml_finds_the_same(provider in provider()) {
            let file: Value = yaml_serde::from_str(&written(Format::Yaml, &provider)).unwrap();
            let list: Value = serde_json::from_str(file["setParameter"]["oidcIdentityProviders"].as_str().unwrap()).unwrap();
            prop_assert_eq!(&list, &serde_json::from_str::<Value>(&written(Format::Json, &provider)).unwrap());
            prop_assert_eq!(&file["setParameter"]["authenticationMechanisms"], MECHANISMS);

            let provider = IdentityProvider { match_pattern: None, log_claims: None, jwks_poll_secs: None, ..provider };
            let part: Value = yaml_serde::from_str(&written(Format::Kubernetes, &provider)).unwrap();
            let authentication = &part["spec"]["security"]["authentication"];
            prop_assert_eq!(&authentication["modes"], &json!(["SCRAM", "OIDC"]));
            let mut expected = json!({
                "configurationName": provider.auth_name_prefix,
                "issuerURI": provider.issuer,
                "audience": provider.audience,
                "authorizationMethod":
                    if provider.supports_human_flows { "WorkforceIdentityFederation" } else { "WorkloadIdentityFederation" },
                "authorizationType": if provider.authorization.claim().is_some() { "GroupMembership" } else { "UserID" },
                "userClaim": provider.principal_name,
            });
            let fields = expected.as_object_mut().unwrap();
            if let Some(client_id) = &provider.client_id {
                fields.insert("clientId".to_owned(), json!(client_id));
            }
            if let Some(claim) = provider.authorization.claim() {
                fields.insert("groupsClaim".to_owned(), json!(claim));
            }
            if !provider.request_scopes.is_empty() {
                fields.insert("requestedScopes".to_owned(), json!(provider.request_scopes));
            }
            prop_assert_eq!(&authentication["oidcProviderConfigs"], &json!([expected]));
        }
    }

    #[test]
    fn what_a_format_has_no_place_for_is_not_dropped() {
        let plain = IdentityProvider {
            auth_name_prefix: "x".repeat(51),
            client_id: Some("0oa1".to_owned()),
            ..IdentityProvider::new("https://login.example.com", "db")
        };
        let pattern = IdentityProvider { match_pattern: Some("@a$".to_owned()), ..plain.clone() };
        let logged = IdentityProvider { log_claims: Some(vec!["sub".to_owned()]), ..plain.clone() };
        let polled = IdentityProvider { jwks_poll_secs: Some(300), ..plain.clone() };
        let why =
            |format, provider| emit(format, provider, &Principals::default(), Page { width: 80, colour: false }).err();
        for format in [Format::CloudManager, Format::Automation, Format::Atlas, Format::Terraform, Format::Kubernetes] {
            assert_eq!(why(format, &pattern), Some(Unfit::NoPlace("matchPattern")));
            assert_eq!(why(format, &logged), Some(Unfit::NoPlace("logClaims")));
            let no_polling = (format != Format::Automation).then_some(Unfit::NoPlace("JWKSPollSecs"));
            assert_eq!(why(format, &polled), no_polling);
        }
        // Programs have neither, and the page for them asks for neither.
        let client = IdentityProvider { supports_human_flows: false, ..plain.clone() };
        let scopes = vec!["openid".to_owned()];
        let scopes = IdentityProvider { client_id: None, request_scopes: scopes, ..client.clone() };
        assert_eq!(why(Format::CloudManager, &client), Some(Unfit::NoPlace("clientId")));
        assert_eq!(why(Format::CloudManager, &scopes), Some(Unfit::NoPlace("requestScopes")));
        for format in [Format::Atlas, Format::Terraform] {
            assert_eq!(why(format, &plain), Some(Unfit::TooLong("authNamePrefix", 50)));
        }
        for format in [Format::Yaml, Format::Json, Format::CommandLine, Format::Roles] {
            for provider in [&pattern, &logged, &polled] {
                assert_eq!(why(format, provider), None);
            }
        }
    }

    #[test]
    fn formats_are_found_by_name() {
        for format in Format::ALL {
            assert_eq!(Format::named(format.name()), Some(format));
        }
        assert_eq!(Format::named("toml"), None);
    }
}
