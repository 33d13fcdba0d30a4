//! Azure: the token of a managed identity, or of an application that trusts a cluster's service account.
//!
//! Where it is to be had depends on where the program runs, which its environment says: the order is that of the Azure
//! SDKs' `ManagedIdentityCredential`.
//!
//! | where | told by | file |
//! |---|---|---|
//! | App Service, Functions, Container Apps | `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` | here |
//! | a server with Azure Arc | `IDENTITY_ENDPOINT` and `IMDS_ENDPOINT`, or its agent is installed | `arc` |
//! | a pod on AKS, with workload identity | `AZURE_FEDERATED_TOKEN_FILE`, `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` | `federated` |
//! | a virtual machine | nothing; `AZURE_POD_IDENTITY_AUTHORITY_HOST` may name another address | here |

mod arc;
mod federated;

use std::path::Path;
use std::time::Duration;

use oauth2::http::{HeaderMap, header};
use serde_json::{Map, Value};
use url::Url;

use super::environment::{self, Variables};
use super::request::{self, Granted, Service};
use super::retry::Rule;
use super::{Ask, Obtained};
use crate::error::{Error, Kind, Result};
use crate::http::shown_url;
use crate::oidc::{Fault, Outcome, token};
use crate::secret::Secret;
use crate::settings::Identity;

const IMDS: Service = Service {
    is_strange: is_of_another_cloud,
    ..Service::new("the metadata service of this virtual machine (IMDS)", Rule::IMDS)
};
const APP_SERVICE: Service = Service::new("the token service of App Service", Rule::LOCAL);

const ENDPOINT: &str = "IDENTITY_ENDPOINT";
const HEADER: &str = "IDENTITY_HEADER";
/// Of Service Fabric, where the other two are set as well.
const THUMBPRINT: &str = "IDENTITY_SERVER_THUMBPRINT";
const ARC_ENDPOINT: &str = "IMDS_ENDPOINT";
const MSI_ENDPOINT: &str = "MSI_ENDPOINT";
const MSI_SECRET: &str = "MSI_SECRET";
const AUTHORITY_HOST: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

/// All that is read here and in the rooms below.
pub const VARIABLES: [&str; 11] = [
    ENDPOINT,
    HEADER,
    THUMBPRINT,
    ARC_ENDPOINT,
    MSI_ENDPOINT,
    MSI_SECRET,
    federated::TOKEN_FILE,
    federated::CLIENT_ID,
    federated::TENANT_ID,
    federated::AUTHORITY_HOST,
    AUTHORITY_HOST,
];

/// The metadata service's address, unless a variable names another.
const IMDS_HOST: &str = "http://169.254.169.254";
const IMDS_PATH: &str = "/metadata/identity/oauth2/token";
const IMDS_VERSION: &str = "2018-02-01";
const APP_SERVICE_VERSION: &str = "2019-08-01";

/// Where the token of this place is to be had.
#[derive(Debug)]
enum Place {
    AppService { endpoint: Url, header: Secret },
    Arc { endpoint: Url },
    Federated,
    VirtualMachine { endpoint: Url },
}

pub async fn token(ask: &Ask<'_>) -> Result<Obtained> {
    let variables = Variables::new(&VARIABLES, ask.environment);
    // The v2 form of it, as scopes are written; these services want it without.
    let resource = ask.resource.or(ask.audience).unwrap_or_default();
    let resource = resource.strip_suffix("/.default").unwrap_or(resource);
    let place = if ask.is_for_driver() {
        Place::VirtualMachine { endpoint: imds(&variables)? }
    } else {
        place(&variables, Path::new(arc::AGENT).exists())?
    };
    match place {
        Place::AppService { endpoint, header } => app_service(ask, endpoint, &header, resource).await,
        Place::Arc { endpoint } => arc::token(ask, endpoint, resource).await,
        Place::Federated => federated::token(ask, &variables, resource).await,
        Place::VirtualMachine { endpoint } => virtual_machine(ask, endpoint, resource).await,
    }
}

/// What asking at the slowest of the places may take: which one it will be is known only once it is looked for.
pub fn longest(timeout: Duration) -> Duration {
    let services = [&IMDS, &APP_SERVICE, &federated::ENTRA].map(|service| service.longest(timeout));
    services.into_iter().fold(arc::longest(timeout), Duration::max)
}

/// Where this is, by what the environment says. `has_agent`: the agent of Azure Arc is installed.
///
/// # Errors
/// [`Kind::Config`] for a place that is Azure's and is not known here, and for a variable that is not what it should be.
fn place(variables: &Variables<'_>, has_agent: bool) -> Result<Place> {
    let has = |name| variables.text(name).map(|value| value.is_some());
    let (endpoint, header) = (variables.url(ENDPOINT)?, variables.text(HEADER)?);
    match (endpoint, header) {
        (Some(_), Some(_)) if has(THUMBPRINT)? => Err(unknown("Service Fabric", THUMBPRINT)),
        (Some(endpoint), Some(header)) => Ok(Place::AppService { endpoint, header: Secret::new(header) }),
        (Some(endpoint), None) if has(ARC_ENDPOINT)? => Ok(Place::Arc { endpoint }),
        // Asking the metadata service in its place could give the token of another identity.
        _ if has(MSI_ENDPOINT)? && has(MSI_SECRET)? => Err(unknown("Azure Machine Learning", MSI_SECRET)),
        _ if has(MSI_ENDPOINT)? => Err(unknown("Azure Cloud Shell", MSI_ENDPOINT)),
        _ if has_agent => Ok(Place::Arc { endpoint: environment::known(arc::ENDPOINT)? }),
        _ if has(federated::TOKEN_FILE)? => Ok(Place::Federated),
        _ => Ok(Place::VirtualMachine { endpoint: imds(variables)? }),
    }
}

/// Google and Amazon have a metadata server at the same address, and to wait until theirs has "started" would be in vain.
fn is_of_another_cloud(headers: &HeaderMap) -> bool {
    headers.contains_key("metadata-flavor") || headers.get(header::SERVER).is_some_and(|server| server == "EC2ws")
}

/// The address of the metadata service.
fn imds(variables: &Variables<'_>) -> Result<Url> {
    let mut endpoint = match variables.url(AUTHORITY_HOST)? {
        Some(host) => host,
        None => environment::known(IMDS_HOST)?,
    };
    let path = format!("{}{IMDS_PATH}", endpoint.path().trim_end_matches('/'));
    endpoint.set_path(&path);
    Ok(endpoint)
}

fn unknown(place: &str, variable: &str) -> Error {
    Error::new(Kind::Config, format!("managed identities of {place} are not supported"))
        .because_of(format!("`{variable}` is set"))
        .hint("get the token with another program, and hand it over with `--kind command` or `--kind file`")
}

/// Which identity, as a parameter of the request. `resource_id` is what this service calls a resource id.
fn selector<'a>(identity: Option<&'a Identity>, resource_id: &'static str) -> Option<(&'static str, &'a str)> {
    match identity? {
        Identity::ClientId(id) => Some(("client_id", id)),
        Identity::ObjectId(id) => Some(("object_id", id)),
        Identity::ResourceId(id) => Some((resource_id, id)),
        // The settings refuse these for this kind.
        Identity::Account(_) | Identity::ServiceAccount { .. } => None,
    }
}

/// `endpoint` with the parameters of a request for `resource`.
fn url(mut endpoint: Url, version: &str, resource: &str, selector: Option<(&'static str, &str)>) -> Url {
    endpoint
        .query_pairs_mut()
        .append_pair("api-version", version)
        .append_pair("resource", resource)
        .extend_pairs(selector);
    endpoint
}

async fn virtual_machine(ask: &Ask<'_>, endpoint: Url, resource: &str) -> Result<Obtained> {
    let url = url(endpoint, IMDS_VERSION, resource, selector(ask.identity, "msi_res_id"));
    let request = request::get(&url, &[("metadata", "true")]).map_err(|fault| IMDS.failed(&fault))?;
    let answer = IMDS.ask(ask.metadata, &request).await.map_err(|fault| refused(&IMDS, ask, &fault))?;
    granted(&url, &answer).map(|(obtained, _)| obtained).map_err(|fault| IMDS.failed(&fault))
}

async fn app_service(ask: &Ask<'_>, endpoint: Url, header: &Secret, resource: &str) -> Result<Obtained> {
    let url = url(endpoint, APP_SERVICE_VERSION, resource, selector(ask.identity, "mi_res_id"));
    let headers = [("x-identity-header", header.expose())];
    let request = request::get(&url, &headers).map_err(|fault| APP_SERVICE.failed(&fault))?;
    let answer = APP_SERVICE.ask(ask.metadata, &request).await.map_err(|fault| refused(&APP_SERVICE, ask, &fault))?;
    granted(&url, &answer).map(|(obtained, _)| obtained).map_err(|fault| APP_SERVICE.failed(&fault))
}

/// The token in an answer, and the answer. It is that of a token endpoint, with numbers as texts; App Service says
/// `expires_on` in place of `expires_in`, and the token itself says no less.
fn granted(url: &Url, answer: &Granted) -> Result<(Obtained, Map<String, Value>), Fault> {
    let body = token::bearer(&shown_url(url.as_str()), &answer.response)?;
    let text = body.get("access_token").and_then(Value::as_str).unwrap_or_default();
    let expires_in = body.get("expires_in").and_then(Value::as_u64);
    Ok((Obtained { token: Secret::new(text), expires_in, clock: answer.clock }, body))
}

/// A fault with what can be done about it on Azure.
fn refused(service: &Service, ask: &Ask<'_>, fault: &Fault) -> Error {
    let error = service.failed(fault);
    match fault {
        Fault::Unavailable { outcome: Outcome::NotSent, .. } => error
            .because_of(if ask.is_for_driver() {
                "looked nowhere else, as a connection string with `ENVIRONMENT:azure` is for this service alone"
            } else {
                "looked for App Service (`IDENTITY_ENDPOINT`), Azure Arc (`IMDS_ENDPOINT`, its agent), \
                 AKS (`AZURE_FEDERATED_TOKEN_FILE`) and a virtual machine"
            })
            .hint("run this where the identity is; on a virtual machine, check that its firewall lets 169.254.169.254 be reached"),
        Fault::Refused { error: code, .. } if code == "invalid_resource" => error
            .hint("check `resource`: it is the application id URI of the app registration that stands for MongoDB"),
        Fault::Refused { .. } => match ask.identity {
            Some(_) => error.hint("check `identity`, and that it is assigned to this machine or app in Azure"),
            None => error
                .hint("give this machine or app a managed identity in Azure; if it has several, say which: `--identity client_id:ID`"),
        },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn place_of(variables: &[(&str, &str)], has_agent: bool) -> Result<Place> {
        let environment =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(*value));
        place(&Variables::new(&VARIABLES, &environment), has_agent)
    }

    /// The order of `ManagedIdentityCredential`.
    #[test]
    fn the_environment_says_where_this_is() {
        type Row<'a> = (&'a [(&'a str, &'a str)], bool, Place);
        let endpoint = ("IDENTITY_ENDPOINT", "http://127.0.0.1:41000/msi/token/");
        let header = ("IDENTITY_HEADER", "h");
        let arc = ("IMDS_ENDPOINT", "http://127.0.0.1:40342");
        let aks = ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/azure/tokens/azure-identity-token");
        let parse = |text: &str| Url::parse(text).unwrap();
        let at =
            |host: &str| Place::VirtualMachine { endpoint: parse(&format!("{host}/metadata/identity/oauth2/token")) };
        let url = || parse(endpoint.1);
        let app = || Place::AppService { endpoint: url(), header: Secret::new("h") };
        let host = |host| ("AZURE_POD_IDENTITY_AUTHORITY_HOST", host);
        let rows: [Row; 13] = [
            (&[], false, at(IMDS_HOST)),
            (&[], true, Place::Arc { endpoint: parse(arc::ENDPOINT) }),
            (&[endpoint, header], false, app()),
            (&[endpoint, header, arc, aks, ("MSI_ENDPOINT", "http://127.0.0.1:1/")], true, app()),
            (&[endpoint, arc], false, Place::Arc { endpoint: url() }),
            (&[endpoint, arc, aks], false, Place::Arc { endpoint: url() }),
            (&[endpoint, ("IDENTITY_HEADER", ""), arc], false, Place::Arc { endpoint: url() }),
            (&[endpoint], false, at(IMDS_HOST)),
            (&[header, arc], false, at(IMDS_HOST)),
            (&[aks], false, Place::Federated),
            (&[aks, host("http://127.0.0.1:5")], false, Place::Federated),
            (&[host("http://127.0.0.1:5/")], false, at("http://127.0.0.1:5")),
            (&[host("http://127.0.0.1:5/pod")], false, at("http://127.0.0.1:5/pod")),
        ];
        for (variables, has_agent, expected) in rows {
            let found = place_of(variables, has_agent).unwrap();
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{variables:?} {has_agent}");
        }
    }

    #[test]
    fn a_place_that_is_not_known_is_named_and_nobody_else_is_asked() {
        let endpoint = ("IDENTITY_ENDPOINT", "https://10.0.0.4:2377/metadata/identity/oauth2/token");
        let rows: [(&[(&str, &str)], &str); 5] = [
            (&[endpoint, ("IDENTITY_HEADER", "h"), ("IDENTITY_SERVER_THUMBPRINT", "AB")], "Service Fabric"),
            (&[("MSI_ENDPOINT", "http://127.0.0.1:46808"), ("MSI_SECRET", "s")], "Machine Learning"),
            (&[("MSI_ENDPOINT", "http://localhost:50342/oauth2/token")], "Cloud Shell"),
            (&[("IDENTITY_ENDPOINT", "127.0.0.1:41000"), ("IDENTITY_HEADER", "h")], "`IDENTITY_ENDPOINT` is not a URL"),
            (&[endpoint, ("IDENTITY_HEADER", "a\r\nx: y")], "`IDENTITY_HEADER` holds"),
        ];
        for (variables, words) in rows {
            let error = place_of(variables, true).unwrap_err();
            assert!(error.kind() == Kind::Config && error.message().contains(words), "{error:?}");
        }
    }

    #[test]
    fn each_service_has_its_own_word_for_a_resource_id() {
        let id = Identity::ResourceId("/subscriptions/a b".into());
        let endpoint = || Url::parse("http://h/p?x=1").unwrap();
        let asked = |resource_id| url(endpoint(), "v", "api://m&n", selector(Some(&id), resource_id)).to_string();
        assert_eq!(
            asked("msi_res_id"),
            "http://h/p?x=1&api-version=v&resource=api%3A%2F%2Fm%26n&msi_res_id=%2Fsubscriptions%2Fa+b"
        );
        assert!(asked("mi_res_id").ends_with("&mi_res_id=%2Fsubscriptions%2Fa+b"));
        assert_eq!(url(endpoint(), "v", "r", None).as_str(), "http://h/p?x=1&api-version=v&resource=r");
    }
}
