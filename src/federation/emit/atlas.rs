//! MongoDB Atlas: its Admin API, and the same by Terraform.

use serde::Serialize;

use super::{Configuration, Unfit, line, pretty, without_polling};
use crate::federation::IdentityProvider;

fn description(provider: &IdentityProvider) -> &'static str {
    if provider.supports_human_flows { "Workforce Identity Federation" } else { "Workload Identity Federation" }
}

fn kind(provider: &IdentityProvider) -> &'static str {
    if provider.supports_human_flows { "WORKFORCE" } else { "WORKLOAD" }
}

fn authorization(provider: &IdentityProvider) -> &'static str {
    if provider.authorization.claim().is_some() { "GROUP" } else { "USER" }
}

/// Of `displayName`, in characters.
const NAME_MAX: usize = 50;

fn check(provider: &IdentityProvider) -> Result<(), Unfit> {
    without_polling(provider)?;
    if provider.auth_name_prefix.len() > NAME_MAX {
        return Err(Unfit::TooLong("authNamePrefix", NAME_MAX));
    }
    Ok(())
}

const NAMES: &str = "Atlas gives the provider an id of 24 digits, and users and groups are called `ID/…`: the name here is \
                     for display";

pub(super) fn admin_api(provider: &IdentityProvider) -> Result<Configuration, Unfit> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        protocol: &'static str,
        idp_type: &'static str,
        display_name: &'a str,
        description: &'static str,
        issuer_uri: &'a str,
        audience: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        requested_scopes: &'a [String],
        authorization_type: &'static str,
        user_claim: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        groups_claim: Option<&'a str>,
    }
    check(provider)?;
    let body = Body {
        protocol: "OIDC",
        idp_type: kind(provider),
        display_name: &provider.auth_name_prefix,
        description: description(provider),
        issuer_uri: &provider.issuer,
        audience: &provider.audience,
        client_id: provider.client_id.as_deref(),
        requested_scopes: &provider.request_scopes,
        authorization_type: authorization(provider),
        user_claim: &provider.principal_name,
        groups_claim: provider.authorization.claim(),
    };
    Ok(Configuration::new(
        pretty(&body) + "\n",
        &[
            "POST https://cloud.mongodb.com/api/atlas/v2/federationSettings/FEDERATION_SETTINGS_ID/identityProviders",
            "Content-Type and Accept: application/vnd.atlas.2023-11-15+json",
            "then connect it: add its id to `dataAccessIdentityProviderIds` of the organization's configuration",
            NAMES,
        ],
    ))
}

pub(super) fn terraform(provider: &IdentityProvider) -> Result<Configuration, Unfit> {
    check(provider)?;
    let scopes: Vec<String> = provider.request_scopes.iter().map(|scope| hcl(scope)).collect();
    let fields = [
        ("federation_settings_id", Some("var.federation_settings_id".to_owned())),
        ("name", Some(hcl(&provider.auth_name_prefix))),
        ("description", Some(hcl(description(provider)))),
        ("protocol", Some(hcl("OIDC"))),
        ("idp_type", Some(hcl(kind(provider)))),
        ("issuer_uri", Some(hcl(&provider.issuer))),
        ("audience", Some(hcl(&provider.audience))),
        ("client_id", provider.client_id.as_deref().map(hcl)),
        ("requested_scopes", (!scopes.is_empty()).then(|| format!("[{}]", scopes.join(", ")))),
        ("authorization_type", Some(hcl(authorization(provider)))),
        ("user_claim", Some(hcl(&provider.principal_name))),
        ("groups_claim", provider.authorization.claim().map(hcl)),
    ];
    let mut text = String::new();
    line(&mut text, 0, "variable \"federation_settings_id\" {");
    line(&mut text, 2, "type = string");
    line(&mut text, 0, "}\n");
    // A label may not begin with a digit, as names may.
    let label = kind(provider).to_ascii_lowercase();
    line(&mut text, 0, &format!("resource \"mongodbatlas_federated_settings_identity_provider\" \"{label}\" {{"));
    let width =
        fields.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in fields {
        if let Some(value) = value {
            line(&mut text, 2, &format!("{name:width$} = {value}"));
        }
    }
    line(&mut text, 0, "}");
    Ok(Configuration::new(
        text,
        &[
            "connect it with `mongodbatlas_federated_settings_org_config`: its id goes into `data_access_identity_provider_ids`",
            NAMES,
        ],
    ))
}

/// A string of HCL. `${` and `%{` would be templates, which run functions and read variables; their usual escapes, `$${`
/// and `%%{`, are read differently behind another `$` or `%`, and a number is not.
fn hcl(text: &str) -> String {
    let mut quoted = String::from('"');
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '$' if rest.peek() == Some(&'{') => quoted.push_str("\\u0024"),
            '%' if rest.peek() == Some(&'{') => quoted.push_str("\\u0025"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::hcl;

    #[test]
    fn terraform_finds_no_template_in_a_string() {
        for (text, expected) in [
            ("plain", r#""plain""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("${file(\"/etc/passwd\")}", r#""\u0024{file(\"/etc/passwd\")}""#),
            ("$${x} %{if}", r#""$\u0024{x} \u0025{if}""#),
            ("100% $5 {}", r#""100% $5 {}""#),
            ("東京", r#""東京""#),
        ] {
            assert_eq!(hcl(text), expected, "{text}");
        }
    }
}
