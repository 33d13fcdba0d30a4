//! Azure's four ways to a token of a managed or federated identity, from learn.microsoft.com:
//!
//! - IMDS: "How to use managed identities for Azure resources on an Azure VM to acquire an access token" (parameters, errors),
//!   "Azure Instance Metadata Service" (the two rules about headers; with which status the second is refused it does not say)
//! - App Service: "How to use managed identities for App Service and Azure Functions", REST endpoint reference
//! - Arc: "Authenticate against Azure resources with Azure Arc-enabled servers"; user assigned identities as Microsoft's
//!   libraries (MSAL) deal with them
//! - Entra ID: "OAuth 2.0 client credentials flow", third case, and "Microsoft Entra authentication error codes"

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Minter, Parameters, Platform, credentials, form, left, now, query};
use crate::support::idp::{Key, jwt};
use crate::support::peer::{Arrived, Reply};

/// A managed identity, by the three names that it goes by.
#[derive(Clone, Debug)]
pub struct ManagedIdentity {
    pub client_id: String,
    pub object_id: String,
    pub resource_id: String,
}

impl ManagedIdentity {
    pub fn new(name: &str, number: u8) -> Self {
        Self {
            client_id: format!("{number:08}-aaaa-4aaa-8aaa-aaaaaaaaaaaa"),
            object_id: format!("{number:08}-bbbb-4bbb-8bbb-bbbbbbbbbbbb"),
            resource_id: format!(
                "/subscriptions/0000/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
            ),
        }
    }
}

/// Who can be asked for, and what for: the same for IMDS, App Service and Arc.
pub struct Directory {
    pub system_assigned: Option<ManagedIdentity>,
    pub user_assigned: Vec<ManagedIdentity>,
    /// The application id URIs that the tenant knows, and the `aud` of tokens for each.
    pub resources: Vec<(String, Value)>,
    mint: Minter,
}

/// The resource that every directory knows.
pub const RESOURCE: &str = "api://mongodb";

impl Directory {
    /// One system assigned identity, and one resource, whose tokens have its URI as `aud`.
    pub fn new(mint: Minter) -> Self {
        Self {
            system_assigned: Some(ManagedIdentity::new("system", 1)),
            user_assigned: Vec::new(),
            resources: vec![(RESOURCE.to_owned(), json!(RESOURCE))],
            mint,
        }
    }

    /// The identity that the parameters select. `selectors` are the names for client id, object id and resource id.
    fn identity(&self, parameters: &Parameters, selectors: &[(&str, Selector)]) -> Result<&ManagedIdentity, String> {
        let mut given = selectors.iter().filter_map(|(name, selector)| Some((parameters.get(name)?, selector)));
        let (first, second) = (given.next(), given.next());
        if second.is_some() {
            return Err("more than one of the identity's names is given".to_owned());
        }
        let Some((value, selector)) = first else {
            return match (&self.system_assigned, self.user_assigned.as_slice()) {
                (Some(system), _) => Ok(system),
                (None, [one]) => Ok(one),
                (None, []) => Err("Identity not found".to_owned()),
                (None, _) => Err("Multiple user assigned identities exist, please specify the clientId / resourceId \
                                  of the identity in the token request"
                    .to_owned()),
            };
        };
        let all = self.system_assigned.iter().chain(&self.user_assigned);
        let named = |identity: &&ManagedIdentity| selector(identity).eq_ignore_ascii_case(value);
        all.into_iter().find(named).ok_or_else(|| "Identity not found".to_owned())
    }

    /// A token of `identity` for `resource`; `None` if the tenant does not know it.
    fn token(&self, identity: &ManagedIdentity, resource: &str) -> Option<String> {
        let (_, audience) = self.resources.iter().find(|(known, _)| known == resource)?;
        Some(self.mint.mint(json!({
            "sub": identity.object_id, "oid": identity.object_id, "appid": identity.client_id, "aud": audience,
            "idtyp": "app", "ver": "1.0",
        })))
    }
}

type Selector = fn(&ManagedIdentity) -> &str;

const BY_CLIENT: Selector = |identity| &identity.client_id;
const BY_OBJECT: Selector = |identity| &identity.object_id;
const BY_RESOURCE: Selector = |identity| &identity.resource_id;

/// How IMDS and Arc call the three names.
const METADATA_SELECTORS: [(&str, Selector); 3] =
    [("client_id", BY_CLIENT), ("object_id", BY_OBJECT), ("msi_res_id", BY_RESOURCE)];

const PATH: &str = "/metadata/identity/oauth2/token";

fn refused(error: &str, why: &str) -> Reply {
    Reply::json(400, &json!({ "error": error, "error_description": why }))
}

/// What IMDS and Arc demand of every request before they look at the identity.
fn metadata_request(request: &Arrived, versions: &[&str]) -> Result<Parameters, Reply> {
    if request.method != "GET" || request.path != PATH {
        return Err(Reply::json(404, &json!({ "error": "not_found", "error_description": "no such path" })));
    }
    if request.header("metadata") != Some("true") {
        return Err(refused("bad_request_102", "Required metadata header not specified"));
    }
    if request.header("x-forwarded-for").is_some() {
        return Err(refused("invalid_request", "the request has come through a proxy"));
    }
    let known = ["api-version", "resource", "client_id", "object_id", "msi_res_id"];
    let parameters = query(request, &known).map_err(|why| refused("invalid_request", &why))?;
    match parameters.get("api-version") {
        Some(version) if versions.contains(&version) => {}
        Some(_) => return Err(refused("invalid_request", "the API version is not supported")),
        None => return Err(refused("invalid_request", "Required query variable 'api-version' is missing")),
    }
    if parameters.get("resource").is_none() {
        return Err(refused("invalid_request", "Required query variable 'resource' is missing"));
    }
    Ok(parameters)
}

/// The answer of IMDS and Arc: numbers are texts.
fn granted(identity: &ManagedIdentity, resource: &str, token: &str) -> Value {
    let life = left(token).as_secs();
    json!({
        "access_token": token, "client_id": identity.client_id, "expires_in": life.to_string(),
        "expires_on": (now() + life).to_string(), "ext_expires_in": life.to_string(), "not_before": now().to_string(),
        "resource": resource, "token_type": "Bearer",
    })
}

fn no_such_resource(resource: &str) -> Reply {
    let why = format!(
        "AADSTS500011: The resource principal named {resource} was not found in the tenant named 00000000-0000-0000-0000-000000000000."
    );
    refused("invalid_resource", &why)
}

/// The instance metadata service of a virtual machine.
pub struct Imds {
    pub directory: Directory,
}

impl Imds {
    pub fn new(mint: Minter) -> Self {
        Self { directory: Directory::new(mint) }
    }

    fn token(&self, request: &Arrived) -> Result<Reply, Reply> {
        let parameters = metadata_request(request, &["2018-02-01", "2019-08-01"])?;
        let identity = self.directory.identity(&parameters, &METADATA_SELECTORS);
        let identity = identity.map_err(|why| refused("invalid_request", &why))?;
        let resource = parameters.get("resource").unwrap_or_default();
        let token = self.directory.token(identity, resource).ok_or_else(|| no_such_resource(resource))?;
        Ok(Reply::json(200, &granted(identity, resource, &token)).header("server", "IMDS/150.870.65.1854"))
    }
}

impl Platform for Imds {
    fn answer(&mut self, request: &Arrived) -> Reply {
        self.token(request).unwrap_or_else(|refusal| refusal)
    }
}

/// The local token service of App Service and Functions.
pub struct AppService {
    pub directory: Directory,
    /// `IDENTITY_HEADER`, a secret.
    pub header: String,
}

impl AppService {
    /// Where `IDENTITY_ENDPOINT` leads.
    pub const PATH: &str = "/msi/token";

    pub fn new(mint: Minter, header: &str) -> Self {
        Self { directory: Directory::new(mint), header: header.to_owned() }
    }

    fn token(&self, request: &Arrived) -> Result<Reply, (u16, String)> {
        let bad = |why: &str| (400, why.to_owned());
        if request.method != "GET" || request.path != Self::PATH {
            return Err((404, "no such path".to_owned()));
        }
        if request.header("x-identity-header") != Some(&self.header) {
            return Err((401, "The identity header is missing or wrong".to_owned()));
        }
        let known = ["api-version", "resource", "client_id", "object_id", "principal_id", "mi_res_id"];
        let parameters = query(request, &known).map_err(|why| bad(&why))?;
        if parameters.get("api-version") != Some("2019-08-01") {
            return Err(bad("The API version is not supported"));
        }
        let selectors: [(&str, Selector); 4] = [
            ("client_id", BY_CLIENT),
            ("object_id", BY_OBJECT),
            ("principal_id", BY_OBJECT),
            ("mi_res_id", BY_RESOURCE),
        ];
        let resource = parameters.get("resource").ok_or_else(|| bad("resource is missing"))?;
        let identity = self.directory.identity(&parameters, &selectors).map_err(|_| {
            bad("No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.")
        })?;
        // Seen in life: a resource that nobody knows ends in a bare 500 there.
        let token = self.directory.token(identity, resource).ok_or((500, "An unexpected error occured.".to_owned()))?;
        let answer = json!({
            "access_token": token, "client_id": identity.client_id,
            "expires_on": (now() + left(&token).as_secs()).to_string(), "resource": resource, "token_type": "Bearer",
        });
        Ok(Reply::json(200, &answer))
    }
}

impl Platform for AppService {
    fn answer(&mut self, request: &Arrived) -> Reply {
        let refusal = |(status, why): (u16, String)| {
            Reply::json(status, &json!({ "statusCode": status, "message": why, "correlationId": "0000" }))
        };
        self.token(request).unwrap_or_else(refusal)
    }
}

/// The agent of a server that is managed through Azure Arc (HIMDS): whoever asks has to be able to read a file that only
/// administrators and the agent's own group can.
pub struct Arc {
    pub directory: Directory,
    /// Where challenges are written; [`Arc::FOLDER`] is what the machine calls it.
    pub folder: PathBuf,
    /// What the challenge says in place of the path of a file that the agent has written.
    pub realm: Option<String>,
    /// Older agents do not look at which identity is asked for.
    pub legacy: bool,
    /// The contents of the files that are waiting to be presented.
    challenges: Vec<String>,
    /// Every challenge so far.
    pub secrets: Vec<String>,
}

impl Arc {
    /// The folder that Microsoft documents for Linux.
    pub const FOLDER: &str = "/var/opt/azcmagent/tokens";

    pub fn new(mint: Minter, folder: PathBuf) -> Self {
        let directory = Directory::new(mint);
        Self { directory, folder, realm: None, legacy: false, challenges: Vec::new(), secrets: Vec::new() }
    }

    fn challenge(&mut self) -> Reply {
        let secret = format!("challenge-{}", jwt::random(24));
        let name = format!("{}.key", jwt::random(8));
        if self.realm.is_none() {
            std::fs::write(self.folder.join(&name), &secret).unwrap();
            self.challenges.push(secret.clone());
            self.secrets.push(secret);
        }
        let realm = self.realm.clone().unwrap_or_else(|| format!("{}/{name}", Self::FOLDER));
        Reply::json(
            401,
            &json!({ "error": "unauthorized_client", "error_description": "Missing Basic Authorization header" }),
        )
        .header("www-authenticate", &format!("Basic realm={realm}"))
    }

    fn token(&mut self, request: &Arrived) -> Result<Reply, Reply> {
        let parameters = metadata_request(request, &["2019-11-01", "2020-06-01"])?;
        let Some(presented) = credentials(request, "Basic") else { return Err(self.challenge()) };
        // Each is good for one request.
        let Some(found) = self.challenges.iter().position(|known| known == presented) else {
            return Err(self.challenge());
        };
        self.challenges.remove(found);
        let asked = if self.legacy { &[][..] } else { &METADATA_SELECTORS[..] };
        let identity = self.directory.identity(&parameters, asked).map_err(|why| refused("invalid_request", &why))?;
        let resource = parameters.get("resource").unwrap_or_default();
        let token = self.directory.token(identity, resource).ok_or_else(|| no_such_resource(resource))?;
        let mut answer = granted(identity, resource, &token);
        if !self.legacy {
            answer["object_id"] = json!(identity.object_id);
            answer["msi_res_id"] = json!(identity.resource_id);
        }
        Ok(Reply::json(200, &answer))
    }
}

impl Platform for Arc {
    fn answer(&mut self, request: &Arrived) -> Reply {
        self.token(request).unwrap_or_else(|refusal| refusal)
    }
}

/// Entra ID's token endpoint, which takes the token of a Kubernetes service account for an application that trusts its
/// cluster (workload identity federation).
pub struct Entra {
    pub tenant: String,
    pub client_id: String,
    /// Issuer and subject of the federated credential.
    pub trusted: (String, String),
    /// The application id URIs that the tenant knows.
    pub resources: Vec<String>,
    /// The cluster's key.
    pub key: Key,
    mint: Minter,
}

/// What the token of the service account must be for.
pub const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

impl Entra {
    pub fn new(mint: Minter) -> Self {
        Self {
            tenant: "11111111-cccc-4ccc-8ccc-cccccccccccc".to_owned(),
            client_id: "22222222-dddd-4ddd-8ddd-dddddddddddd".to_owned(),
            trusted: ("https://aks.example.com/".to_owned(), "system:serviceaccount:shop:orders".to_owned()),
            resources: vec![RESOURCE.to_owned()],
            key: Key::Second,
            mint,
        }
    }

    /// The token of the trusted service account, as the kubelet writes it into the pod.
    pub fn service_account_token(&self, change: Value) -> String {
        let (issuer, subject) = &self.trusted;
        let mut claims = json!({
            "iss": issuer, "sub": subject, "aud": [EXCHANGE_AUDIENCE], "iat": now(), "nbf": now(), "exp": now() + 3600,
        });
        for (name, value) in change.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        jwt::sign(self.key, &claims)
    }

    fn token(&self, request: &Arrived) -> Result<Reply, (u16, &'static str, String)> {
        let invalid = |why: String| (400, "invalid_request", why);
        if request.path != format!("/{}/oauth2/v2.0/token", self.tenant) {
            return Err(invalid(
                "AADSTS90002: Tenant not found. Check to make sure you have the correct tenant ID.".into(),
            ));
        }
        if request.method != "POST" {
            return Err(invalid("AADSTS900561: The endpoint only accepts POST requests.".into()));
        }
        let known = ["grant_type", "client_id", "scope", "client_assertion_type", "client_assertion"];
        let form = form(request, &known).map_err(|why| invalid(format!("AADSTS900144: {why}")))?;
        let needed = |name: &str| {
            let why = format!("AADSTS900144: The request body must contain the following parameter: '{name}'.");
            form.get(name).ok_or_else(|| invalid(why))
        };
        if needed("grant_type")? != "client_credentials" {
            return Err((
                400,
                "unsupported_grant_type",
                "AADSTS70003: The app requested an unsupported grant type.".into(),
            ));
        }
        if needed("client_id")? != self.client_id {
            let why = "AADSTS700016: Application was not found in the directory.";
            return Err((400, "unauthorized_client", why.into()));
        }
        if needed("client_assertion_type")? != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
            return Err(invalid("AADSTS900144: wrong client_assertion_type".into()));
        }
        let assertion = needed("client_assertion")?;
        let refuse = |why: &str| (401, "invalid_client", why.to_owned());
        let claims = self.key.verify(assertion).map_err(|why| {
            (401, "invalid_client", format!("AADSTS700027: Client assertion failed signature validation: {why}"))
        })?;
        if claims["exp"].as_u64().unwrap_or_default() <= now() {
            return Err(refuse("AADSTS700024: Client assertion is not within its valid time range."));
        }
        if claims["aud"] != json!(EXCHANGE_AUDIENCE) && claims["aud"] != json!([EXCHANGE_AUDIENCE]) {
            return Err(refuse(
                "AADSTS700212: No matching federated identity record found for presented assertion audience.",
            ));
        }
        if claims["iss"] != self.trusted.0 {
            return Err(refuse(
                "AADSTS700211: No matching federated identity record found for presented assertion issuer.",
            ));
        }
        if claims["sub"] != self.trusted.1 {
            return Err(refuse(
                "AADSTS700213: No matching federated identity record found for presented assertion subject.",
            ));
        }
        let scope = needed("scope")?;
        let Some(resource) = scope.strip_suffix("/.default") else {
            let why = "AADSTS1002012: The provided value for scope is not valid. Client credential flows must have a \
                       scope value with /.default suffixed to the resource identifier (application ID URI).";
            return Err((400, "invalid_scope", why.into()));
        };
        if !self.resources.iter().any(|known| known == resource) {
            return Err((
                400,
                "invalid_resource",
                format!("AADSTS500011: The resource principal named {resource} was not found."),
            ));
        }
        let token = self.mint.mint(json!({
            "sub": "33333333-eeee-4eee-8eee-eeeeeeeeeeee", "azp": self.client_id, "aud": resource, "ver": "2.0",
        }));
        let life = left(&token).as_secs();
        Ok(Reply::json(
            200,
            &json!({
                "token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token,
            }),
        ))
    }
}

impl Platform for Entra {
    fn answer(&mut self, request: &Arrived) -> Reply {
        self.token(request).unwrap_or_else(|(status, error, why)| Reply::error(status, error, &why))
    }
}
