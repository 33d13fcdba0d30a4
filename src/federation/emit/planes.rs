//! What manages MongoDB servers: Cloud Manager and Ops Manager, by page and by automation, and the Kubernetes operator.

use serde::Serialize;

use super::{Configuration, Unfit, line, pretty, quoted, without_pattern_and_log, without_polling};
use crate::federation::{Authorization, IdentityProvider};
use crate::ui::report::{self, Page, Row, Section};

const AGENT: &str = "keep another mechanism for the MongoDB Agent, which cannot sign in with this one";

/// The fields of the page, with its own names; that of programs has neither client nor scopes.
pub(super) fn cloud_manager(provider: &IdentityProvider, page: Page) -> Result<Configuration, Unfit> {
    without_polling(provider)?;
    let (kind, groups) = match &provider.authorization {
        Authorization::GroupMembership(claim) => ("Group Membership", Some(claim)),
        Authorization::UserId => ("User ID", None),
    };
    let is_for_people = provider.supports_human_flows;
    if !is_for_people && provider.client_id.is_some() {
        return Err(Unfit::NoPlace("clientId"));
    }
    if !is_for_people && !provider.request_scopes.is_empty() {
        return Err(Unfit::NoPlace("requestScopes"));
    }
    let or_none = |text: String| if text.is_empty() { "(none)".to_owned() } else { text };
    let client_id = or_none(provider.client_id.clone().unwrap_or_default());
    let scopes = or_none(provider.request_scopes.join(" "));
    let fields = [
        ("Configuration Name", Some(provider.auth_name_prefix.as_str())),
        ("Issuer URI", Some(&provider.issuer)),
        ("Client ID", is_for_people.then_some(&client_id)),
        ("Audience", Some(&provider.audience)),
        ("Requested Scopes", is_for_people.then_some(&scopes)),
        ("Authorization Type", Some(kind)),
        ("Customize User Claim", Some(&provider.principal_name)),
        ("Customize Group Claim", groups.map(String::as_str)),
    ];
    let rows = fields.into_iter().filter_map(|(name, value)| Some(Row::new(None, name, value?))).collect();
    let (heading, name) = if is_for_people {
        (
            "OpenID Connect (OIDC) connection settings",
            "a project has room for one such configuration, and its name cannot be changed later",
        )
    } else {
        ("OIDC protocol settings: Workload Identity Federation", "its name cannot be changed later")
    };
    let text = report::report(&[Section { heading: heading.to_owned(), rows }], page);
    Ok(Configuration::new(text, &[name, AGENT]))
}

/// The part of the automation configuration that has to do with it.
pub(super) fn automation(provider: &IdentityProvider) -> Result<Configuration, Unfit> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Part<'a> {
        auth: Auth,
        oidc_provider_configs: [Element<'a>; 1],
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Auth {
        deployment_auth_mechanisms: [&'static str; 2],
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Element<'a> {
        auth_name_prefix: &'a str,
        audience: &'a str,
        issuer_uri: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        requested_scopes: Option<&'a [String]>,
        user_claim: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        groups_claim: Option<&'a str>,
        #[serde(rename = "JWKSPollSecs", skip_serializing_if = "Option::is_none")]
        jwks_poll_secs: Option<u32>,
        supports_human_flows: bool,
        use_authorization_claim: bool,
    }
    without_pattern_and_log(provider)?;
    let groups_claim = provider.authorization.claim();
    let element = Element {
        auth_name_prefix: &provider.auth_name_prefix,
        audience: &provider.audience,
        issuer_uri: &provider.issuer,
        client_id: provider.client_id.as_deref(),
        requested_scopes: Some(&*provider.request_scopes)
            .filter(|scopes| provider.supports_human_flows || !scopes.is_empty()),
        user_claim: &provider.principal_name,
        groups_claim,
        jwks_poll_secs: provider.jwks_poll_secs,
        supports_human_flows: provider.supports_human_flows,
        use_authorization_claim: groups_claim.is_some(),
    };
    // Alone it would lock the agents out.
    let auth = Auth { deployment_auth_mechanisms: ["SCRAM-SHA-256", "MONGODB-OIDC"] };
    Ok(Configuration::new(
        pretty(&Part { auth, oidc_provider_configs: [element] }) + "\n",
        &[
            "a part of the automation configuration: keep the mechanisms that are in `auth.deploymentAuthMechanisms` already",
            "the MongoDB Agent needs one of the others: it cannot sign in with this one",
        ],
    ))
}

/// What belongs to it in a resource of the kinds `MongoDB` and `MongoDBMultiCluster`.
pub(super) fn kubernetes(provider: &IdentityProvider) -> Result<Configuration, Unfit> {
    without_polling(provider)?;
    let mut text = String::new();
    for (depth, content) in [
        (0, "spec:"),
        (1, "security:"),
        (2, "authentication:"),
        (3, "enabled: true"),
        (3, "agents:"),
        (4, "mode: SCRAM"),
        (3, "modes:"),
        (4, "- SCRAM"),
        (4, "- OIDC"),
        (3, "oidcProviderConfigs:"),
    ] {
        line(&mut text, 2 * depth, content);
    }
    line(&mut text, 8, &format!("- configurationName: {}", quoted(&provider.auth_name_prefix)));
    let (kind, groups) = match &provider.authorization {
        Authorization::GroupMembership(claim) => ("GroupMembership", Some(claim)),
        Authorization::UserId => ("UserID", None),
    };
    let method =
        if provider.supports_human_flows { "WorkforceIdentityFederation" } else { "WorkloadIdentityFederation" };
    let mut field = |name: &str, value: &str| line(&mut text, 10, &format!("{name}: {value}"));
    field("issuerURI", &quoted(&provider.issuer));
    field("audience", &quoted(&provider.audience));
    field("authorizationMethod", method);
    if let Some(client_id) = &provider.client_id {
        field("clientId", &quoted(client_id));
    }
    if !provider.request_scopes.is_empty() {
        let scopes: Vec<String> = provider.request_scopes.iter().map(|scope| quoted(scope)).collect();
        field("requestedScopes", &format!("[{}]", scopes.join(", ")));
    }
    field("authorizationType", kind);
    field("userClaim", &quoted(&provider.principal_name));
    if let Some(claim) = groups {
        field("groupsClaim", &quoted(claim));
    }
    Ok(Configuration::new(
        text,
        &[
            "a part of the resource; its `version` has to be an Enterprise one, 7.0.11-ent or 8.0.0-ent and later",
            "`agents.mode` is what the MongoDB Agent signs in with, which cannot be this: SCRAM, unless you have another",
        ],
    ))
}
