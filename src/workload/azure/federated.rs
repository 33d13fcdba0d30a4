//! A pod on AKS with workload identity: an application in Entra ID trusts the cluster's word for the pod's service account,
//! so the token of that account stands in for the application's secret (RFC 7523 §2.2).

use url::Url;
use url::form_urlencoded::Serializer;

use super::granted;
use crate::error::{Error, Kind, Result};
use crate::http::is_loopback;
use crate::oidc::Fault;
use crate::oidc::client_assertion::ASSERTION_TYPE;
use crate::secret::source::{self, Readers, Wanted};
use crate::settings::Identity;
use crate::workload::environment::{Variables, known};
use crate::workload::request::{self, FORM, Service};
use crate::workload::retry::Rule;
use crate::workload::{Ask, Obtained};

/// What the cluster's webhook sets in a pod of such an account, beside the tenant and the application.
pub const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
pub const CLIENT_ID: &str = "AZURE_CLIENT_ID";
pub const TENANT_ID: &str = "AZURE_TENANT_ID";
pub const AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";

/// Entra ID of the public cloud.
const AUTHORITY: &str = "https://login.microsoftonline.com/";

pub const ENTRA: Service = Service::new("Entra ID", Rule::ENTRA);

/// The kubelet lets everybody in the pod read it, and replaces it long before it expires.
const ASSERTION: Wanted = Wanted { name: "federated token", max: 16 * 1024, readers: Readers::Anybody };

/// Reads the account's token afresh, since it is replaced, and exchanges it.
pub async fn token(ask: &Ask<'_>, variables: &Variables<'_>, resource: &str) -> Result<Obtained> {
    let client_id = client_id(ask.identity, variables)?;
    let url = endpoint(variables)?;
    let file = variables.path(TOKEN_FILE).unwrap_or_default();
    let assertion = source::read_line(&file, &ASSERTION);
    let assertion = assertion.map_err(|error| error.because_of(format!("the file is named by `{TOKEN_FILE}`")))?;

    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &client_id)
        .append_pair("scope", &format!("{resource}/.default"))
        .append_pair("client_assertion_type", ASSERTION_TYPE)
        .append_pair("client_assertion", assertion.expose());
    let request = request::post(&url, &[], FORM, form.finish()).map_err(|fault| ENTRA.failed(&fault))?;
    let answer = ENTRA.ask(ask.http, &request).await.map_err(|fault| refused(&fault))?;
    granted(&url, &answer).map(|(obtained, _)| obtained).map_err(|fault| ENTRA.failed(&fault))
}

/// The application's client id: the one that was asked for, or else the one that the service account is annotated with.
fn client_id(identity: Option<&Identity>, variables: &Variables<'_>) -> Result<String> {
    match identity {
        None => variables.required(CLIENT_ID, "the webhook of workload identity sets it in the pod"),
        Some(Identity::ClientId(id)) => Ok(id.clone()),
        Some(_) => Err(Error::new(Kind::Config, "with workload identity on AKS `identity` must be `client_id:ID`")
            .because_of(format!("`{TOKEN_FILE}` is set"))),
    }
}

/// The token endpoint of the tenant. The assertion is a secret, so it goes out over TLS, or stays on this machine.
fn endpoint(variables: &Variables<'_>) -> Result<Url> {
    let tenant = variables.required(TENANT_ID, "the webhook of workload identity sets it in the pod")?;
    if !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        return Err(Error::new(
            Kind::Config,
            format!("environment variable `{TENANT_ID}` is not the id or domain of a tenant"),
        ));
    }
    let mut url = match variables.url(AUTHORITY_HOST)? {
        Some(url) => url,
        None => known(AUTHORITY)?,
    };
    if url.scheme() != "https" && !is_loopback(&url) {
        return Err(Error::new(
            Kind::Config,
            format!("environment variable `{AUTHORITY_HOST}` must start with `https://`"),
        ));
    }
    url.set_path(&format!("{}/{tenant}/oauth2/v2.0/token", url.path().trim_end_matches('/')));
    Ok(url)
}

fn refused(fault: &Fault) -> Error {
    let error = ENTRA.failed(fault);
    match fault {
        Fault::Refused { error: code, .. } if code == "invalid_resource" || code == "invalid_scope" => error
            .hint("check `resource`: it is the application id URI of the app registration that stands for MongoDB"),
        Fault::Refused { .. } => error.hint(
            "check the federated credential of the application in Entra ID: its issuer is the cluster's, and its subject \
             `system:serviceaccount:NAMESPACE:NAME`",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn with<T>(variables: &[(&str, &str)], read: impl FnOnce(&Variables<'_>) -> T) -> T {
        let environment =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(*value));
        read(&Variables::new(&crate::workload::azure::VARIABLES, &environment))
    }

    #[test]
    fn the_assertion_goes_to_the_tenant_and_to_nobody_else() {
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<String>);
        let tenant = ("AZURE_TENANT_ID", "contoso.example.com");
        let host = |host| ("AZURE_AUTHORITY_HOST", host);
        let path = "contoso.example.com/oauth2/v2.0/token";
        let rows: [Row; 9] = [
            (&[tenant], Some(format!("https://login.microsoftonline.com/{path}"))),
            (
                &[tenant, host("https://login.microsoftonline.us")],
                Some(format!("https://login.microsoftonline.us/{path}")),
            ),
            (
                &[tenant, host("https://login.example.com/adfs/")],
                Some(format!("https://login.example.com/adfs/{path}")),
            ),
            (&[tenant, host("http://127.0.0.1:5/")], Some(format!("http://127.0.0.1:5/{path}"))),
            (&[tenant, host("http://login.example.com/")], None),
            (&[tenant, host("login.example.com")], None),
            (&[("AZURE_TENANT_ID", "a/../b")], None),
            (&[("AZURE_TENANT_ID", "a?b")], None),
            (&[], None),
        ];
        for (variables, expected) in rows {
            let found = with(variables, endpoint).map(|url| url.to_string());
            assert_eq!(found.as_ref().ok(), expected.as_ref(), "{variables:?}");
        }
    }

    #[test]
    fn the_application_is_the_one_that_was_asked_for() {
        let annotated = [("AZURE_CLIENT_ID", "from-pod")];
        let asked = Identity::ClientId("asked".into());
        assert_eq!(with(&annotated, |v| client_id(None, v)).unwrap(), "from-pod");
        assert_eq!(with(&annotated, |v| client_id(Some(&asked), v)).unwrap(), "asked");
        assert_eq!(with(&[], |v| client_id(Some(&asked), v)).unwrap(), "asked");
        assert_eq!(with(&[], |v| client_id(None, v)).unwrap_err().kind(), Kind::Config);
        let object = Identity::ObjectId("o".into());
        assert_eq!(with(&annotated, |v| client_id(Some(&object), v)).unwrap_err().kind(), Kind::Config);
    }
}
