//! What manages MongoDB servers: Cloud Manager and Ops Manager, by page and by automation, and the Kubernetes operator.

use serde::Serialize;

use super::{Configuration, Unfit, line, pretty, quoted, without_pattern_and_log, without_polling};
use crate::federation::{Authorization, IdentityProvider};
use crate::ui::report::{Row, Section};

pub(super) const CLOUD_MANAGER_NOTES: &[&str] = &[
    "a project has room for one such configuration, and its name cannot be changed later",
    "keep another mechanism for the MongoDB Agent, which cannot sign in with this one",
];

/// The fields of the page, with its own names.
pub(super) fn cloud_manager(provider: &IdentityProvider) -> Result<Section, Unfit> {
    without_polling(provider)?;
    let (kind, groups) = match &provider.authorization {
        Authorization::GroupMembership(claim) => ("Group Membership", Some(claim)),
        Authorization::UserId => ("User ID", None),
    };
    let scopes =
        if provider.request_scopes.is_empty() { "(none)".to_owned() } else { provider.request_scopes.join(" ") };
    let mut rows = vec![
        Row::new(None, "Configuration Name", &provider.auth_name_prefix),
        Row::new(None, "Issuer URI", &provider.issuer),
        Row::new(None, "Client ID", provider.client_id.as_deref().unwrap_or("(none)")),
        Row::new(None, "Audience", &provider.audience),
        Row::new(None, "Requested Scopes", scopes),
        Row::new(None, "Authorization Type", kind),
        Row::new(None, "Customize User Claim", &provider.principal_name),
    ];
    rows.extend(groups.map(|claim| Row::new(None, "Customize Group Claim", claim)));
    let heading = "OpenID Connect (OIDC) connection settings".to_owned();
    Ok(Section { heading, rows })
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
        requested_scopes: &'a [String],
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
        requested_scopes: &provider.request_scopes,
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
