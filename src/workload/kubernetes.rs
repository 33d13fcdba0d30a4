//! A token of another service account than the pod's own, or for an audience that nobody has projected: from the cluster's
//! API server (TokenRequest, `authentication.k8s.io/v1`).

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use url::Url;

use super::environment::Variables;
use super::request::{self, Service};
use super::retry::Rule;
use super::{Ask, Obtained, Place};
use crate::error::{Error, Kind, Result};
use crate::http::Http;
use crate::oidc::Fault;
use crate::secret::Secret;
use crate::settings::Identity;

const API_SERVER: Service = Service::new("the cluster's API server", Rule::KUBERNETES);

const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT";

pub const VARIABLES: [&str; 2] = [HOST, PORT];

/// The authority of the API server's certificate, as every pod has it.
const AUTHORITY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// How long the token is asked for, in seconds. The server may give one that lives shorter or longer.
const LIFETIME: u64 = 3600;

/// Asks for a token of the service account that the settings name, as the account of this pod.
pub async fn token(ask: &Ask<'_>) -> Result<Obtained> {
    let Some(Identity::ServiceAccount { namespace, name }) = ask.identity else {
        // Without one, the token is in a file.
        return Err(Error::new(Kind::Config, "`identity` is not set: which service account's token is wanted"));
    };
    let variables = Variables::new(&VARIABLES, ask.environment);
    let url = endpoint(&variables, namespace, name)?;
    let own = Place::of_pod(ask.settings).read()?.token;
    let authority = ask.settings.ca_file.as_deref().or_else(|| Some(Path::new(AUTHORITY)).filter(|path| path.exists()));
    // It is in the cluster's network, and the token of the pod must not leave that.
    let http = Http::direct(authority, ask.settings.http_timeout)?;

    let body = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": { "audiences": [ask.audience.unwrap_or_default()], "expirationSeconds": LIFETIME },
    });
    let authorization = Secret::new(format!("Bearer {}", own.expose()));
    let headers = [("authorization", authorization.expose())];
    let request = request::post(&url, &headers, "application/json", body.to_string());
    let request = request.map_err(|fault| API_SERVER.failed(&fault))?;
    let answer = API_SERVER.ask(&http, &request).await.map_err(|fault| refused(&fault, namespace, name))?;
    let token = request::member(&url, answer.response.body(), &["status", "token"]);
    let token = token.map_err(|fault| API_SERVER.failed(&fault))?;
    Ok(Obtained { token, expires_in: None, clock: answer.clock })
}

pub fn longest(timeout: Duration) -> Duration {
    API_SERVER.longest(timeout)
}

/// Where the API server takes such requests; the settings have seen to it that both names are names.
fn endpoint(variables: &Variables<'_>, namespace: &str, name: &str) -> Result<Url> {
    let what = "Kubernetes sets it in every pod";
    let host = variables.required(HOST, what)?;
    let port = variables.required(PORT, what)?;
    // An IPv6 address comes without the brackets that a URL wants.
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
    let is_plain = !host.contains(['/', '?', '#', '@', '\\']) && port.bytes().all(|byte| byte.is_ascii_digit());
    let url = Url::parse(&format!("https://{host}:{port}{path}")).ok().filter(|_| is_plain);
    url.ok_or_else(|| {
        Error::new(Kind::Config, format!("environment variables `{HOST}` and `{PORT}` are not a host and a port"))
    })
}

fn refused(fault: &Fault, namespace: &str, name: &str) -> Error {
    let error = API_SERVER.failed(fault);
    match fault {
        Fault::Refused { .. } => error.hint(format!(
            "check that `{namespace}/{name}` exists, and that the account of this pod may `create` `serviceaccounts/token` \
             for it: `kubectl auth can-i create serviceaccounts/{name} --subresource token --namespace {namespace}`"
        )),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn the_api_server_is_where_the_pod_s_variables_say() {
        let at = |host: &str, port: &str| {
            let environment = |name: &str| {
                let value = if name == HOST { host } else { port };
                Some(OsString::from(value))
            };
            endpoint(&Variables::new(&VARIABLES, &environment), "shop", "orders").map(|url| url.to_string()).ok()
        };
        let path = "/api/v1/namespaces/shop/serviceaccounts/orders/token";
        assert_eq!(at("10.96.0.1", "443"), Some(format!("https://10.96.0.1{path}")));
        assert_eq!(at("fd00::1", "6443"), Some(format!("https://[fd00::1]:6443{path}")));
        assert_eq!(at("[fd00::1]", "6443"), Some(format!("https://[fd00::1]:6443{path}")));
        for (host, port) in [("", "443"), ("10.96.0.1", ""), ("a@b", "443"), ("a/b", "443"), ("a", "4/43"), ("a", "x")]
        {
            assert_eq!(at(host, port), None, "{host} {port}");
        }
    }
}
