//! What `setup` takes.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueHint};

use super::federation::FederationArgs;
use super::flags::{NetworkArgs, ProgramArgs, list, one, switch};
use super::{GlobalArgs, flags};
use crate::settings::{Request, schema};
use crate::vendor::Vendor;

const PROVIDER: &str = "Provider";
const ISSUER: &str = "Issuer, made of what you have";

/// Set up an identity provider for MongoDB, step by step
///
/// Prints what to register at the provider, field by field, with the place of each in its console. Given the issuer (or
/// what it is made of) and the client id, it asks the provider what it supports, writes the profile that people sign in
/// with, and prints the other side: the next commands, and the configuration of the MongoDB server.
///
/// With --workload it is a program that is set up, which gets its tokens where it runs: a managed identity or service
/// principal of Azure, a service account of Google Cloud or of a Kubernetes cluster, a run of GitHub Actions, or a client of
/// any provider (generic). Then the keys are asked for as a MongoDB server asks for them, and no token.
///
/// Nothing is written unless the provider has answered. Values of an existing profile are replaced only after a question,
/// or with --yes.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login setup entra
  mdb-login setup keycloak --interactive
  mdb-login setup okta --domain dev-1.okta.com --client-id 0oa1 --profile prod
  mdb-login setup generic --issuer https://login.example.com --client-id 0oa1 --format kubernetes
  mdb-login setup google --workload --audience mongodb://orders --profile orders
  mdb-login setup entra --workload --tenant ID --audience APPLICATION_ID")]
pub struct SetupArgs {
    /// Whose product the provider is
    #[arg(value_name = "VENDOR", value_parser = vendors())]
    pub vendor: Vendor,
    /// Ask for what is needed, one question after the other
    #[arg(short, long)]
    pub interactive: bool,
    /// Replace values of an existing profile without asking
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub provider: ProviderArgs,
    #[command(flatten)]
    pub federation: FederationArgs,
}

/// Which provider, how people sign in at it, and how programs get tokens.
#[derive(Args, Debug)]
pub struct ProviderArgs {
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, help_heading = PROVIDER)]
    #[arg(help = "Issuer URL of the identity provider, or the address of its discovery document")]
    pub issuer: Option<String>,
    #[arg(long, value_name = "ID", help_heading = PROVIDER, help = "Client id under which the provider knows mdb-login")]
    pub client_id: Option<String>,
    #[arg(long, value_name = "SCOPE", help_heading = PROVIDER, help = "Scope to ask for, in place of what the provider's maker needs; may be repeated")]
    scope: Vec<String>,
    #[arg(long, help_heading = PROVIDER, help = "Hand out the ID token, for providers whose access tokens are no JWTs")]
    id_token: bool,
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = PROVIDER)]
    #[arg(help = "File that holds the client secret, if the provider insists on one")]
    client_secret_file: Option<String>,
    #[arg(long, value_name = "URI", value_hint = ValueHint::Url, help_heading = PROVIDER)]
    #[arg(help = schema::REDIRECT_URI.flag_help)]
    redirect_uri: Vec<String>,
    #[arg(long, value_name = "URI", help_heading = PROVIDER, help = schema::RESOURCE.flag_help)]
    resource: Vec<String>,
    #[command(flatten)]
    pub program: ProgramArgs,

    /// Entra ID: the Directory (tenant) ID
    #[arg(long, value_name = "ID", help_heading = ISSUER)]
    tenant: Option<String>,
    /// Okta, Auth0: the company's domain there
    #[arg(long, value_name = "DOMAIN", value_hint = ValueHint::Hostname, help_heading = ISSUER)]
    domain: Option<String>,
    /// Okta: the id of the custom authorization server [default: default]
    #[arg(long, value_name = "ID", help_heading = ISSUER)]
    authorization_server: Option<String>,
    /// PingOne: the region's domain, such as com or eu [default: com]
    #[arg(long, value_name = "REGION", help_heading = ISSUER)]
    region: Option<String>,
    /// PingOne: the Environment ID
    #[arg(long, value_name = "ID", help_heading = ISSUER)]
    environment_id: Option<String>,
    /// Keycloak: the server's address, without /realms
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, help_heading = ISSUER)]
    base_url: Option<String>,
    /// Keycloak: the realm
    #[arg(long, value_name = "REALM", help_heading = ISSUER)]
    realm: Option<String>,

    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, help_heading = flags::NETWORK, help = schema::PROXY.flag_help)]
    proxy: Option<String>,
    #[command(flatten)]
    network: NetworkArgs,
}

/// The names of the vendors, each with its product's.
fn vendors() -> impl clap::builder::TypedValueParser<Value = Vendor> {
    let values = Vendor::ALL.map(|vendor| PossibleValue::new(vendor.name()).help(vendor.product()));
    PossibleValuesParser::new(values).try_map(|name| Vendor::named(&name).ok_or("there is no such vendor"))
}

impl ProviderArgs {
    /// What an issuer is to be made of, by flag.
    pub fn pieces(&self) -> Vec<(&'static str, &str)> {
        [
            ("--tenant", &self.tenant),
            ("--domain", &self.domain),
            ("--authorization-server", &self.authorization_server),
            ("--region", &self.region),
            ("--environment-id", &self.environment_id),
            ("--base-url", &self.base_url),
            ("--realm", &self.realm),
        ]
        .into_iter()
        .filter_map(|(flag, value)| Some((flag, value.as_deref()?)))
        .collect()
    }
}

impl SetupArgs {
    /// The settings that were typed, but for issuer and client id, which may be made of others or asked for.
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = global.request();
        let provider = &self.provider;
        self.federation.add_to(&mut request);
        list(&mut request, &schema::SCOPE, &provider.scope);
        switch(&mut request, provider.id_token, &schema::ID_TOKEN, "--id-token", "true");
        one(&mut request, &schema::CLIENT_SECRET_FILE, &provider.client_secret_file);
        list(&mut request, &schema::REDIRECT_URI, &provider.redirect_uri);
        list(&mut request, &schema::RESOURCE, &provider.resource);
        provider.program.add_to(&mut request);
        one(&mut request, &schema::PROXY, &provider.proxy);
        provider.network.add_to(&mut request);
        request
    }
}
