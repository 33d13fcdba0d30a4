//! The flags of MongoDB's side: what a server is told of the identity provider. `setup` and `server config` share them.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};

use super::GlobalArgs;
use crate::federation::choices::{Authorize, Choices};
use crate::federation::emit::Format;
use crate::settings::{Request, schema};

const SERVER: &str = "MongoDB's side";

/// What a server is told.
#[derive(Args, Debug)]
pub struct FederationArgs {
    /// For programs, which have no person: supportsHumanFlows is false [default for a program's profile]
    #[arg(long, help_heading = SERVER)]
    pub workload: bool,
    /// Form of the configuration
    #[arg(long, value_name = "FORMAT", default_value = "yaml", help_heading = SERVER, value_parser = formats())]
    pub format: Format,
    /// Configuration name, which names of users and roles begin with: authNamePrefix [default: the profile's name]
    #[arg(long, value_name = "NAME", help_heading = SERVER)]
    name: Option<String>,
    #[arg(long, value_name = "AUDIENCE", help_heading = SERVER, help = schema::AUDIENCE.flag_help)]
    audience: Option<String>,
    /// Scope that clients are to ask for, beyond the usual; may be repeated [default: those of the profile]
    #[arg(long, value_name = "SCOPE", help_heading = SERVER)]
    request_scope: Vec<String>,
    /// Where roles come from
    #[arg(long, value_enum, value_name = "WAY", help_heading = SERVER)]
    authorization: Option<AuthorizationArg>,
    /// Claim that names the user: principalName
    #[arg(long, value_name = "CLAIM", help_heading = SERVER)]
    user_claim: Option<String>,
    /// Claim that lists the groups: authorizationClaim
    #[arg(long, value_name = "CLAIM", help_heading = SERVER)]
    group_claim: Option<String>,
    /// Regular expression for the user names of this provider, where a server has several
    #[arg(long, value_name = "REGEX", help_heading = SERVER)]
    match_pattern: Option<String>,
    /// How often the server fetches the provider's keys anew, 0s to 365d
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true, help_heading = SERVER)]
    pub jwks_poll: Option<String>,
    /// Group to create a role for, as the token names it; may be repeated
    #[arg(long, value_name = "GROUP", help_heading = SERVER)]
    group: Vec<String>,
    /// User to create, as the token names them; may be repeated
    #[arg(long, value_name = "USER", help_heading = SERVER)]
    user: Vec<String>,
    /// Role that the groups or users are granted; may be repeated
    #[arg(long, value_name = "ROLE@DATABASE", help_heading = SERVER)]
    grant: Vec<String>,
}

/// Where roles come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuthorizationArg {
    /// The groups in the token: a role for each
    Groups,
    /// The server's own users: one for each person or program
    User,
}

/// The names of the formats, each with its line.
fn formats() -> impl clap::builder::TypedValueParser<Value = Format> {
    let values = Format::ALL.map(|format| PossibleValue::new(format.name()).help(format.about()));
    PossibleValuesParser::new(values).try_map(|name| Format::named(&name).ok_or("there is no such format"))
}

impl FederationArgs {
    /// Adds what is a setting as well: the audience is the token's and the server's.
    pub fn add_to(&self, request: &mut Request) {
        super::flags::one(request, &schema::AUDIENCE, &self.audience);
    }

    /// Whether nothing was said of where roles come from.
    pub fn is_authorization_open(&self) -> bool {
        self.authorization.is_none() && self.group_claim.is_none() && self.group.is_empty() && self.user.is_empty()
    }

    /// What was chosen; `jwks_poll_secs` has been read from [`Self::jwks_poll`].
    pub fn choices(&self, jwks_poll_secs: Option<u32>) -> Choices {
        Choices {
            name: self.name.clone(),
            request_scopes: self.request_scope.clone(),
            authorize: self.authorization.map(|way| match way {
                AuthorizationArg::Groups => Authorize::Groups,
                AuthorizationArg::User => Authorize::User,
            }),
            user_claim: self.user_claim.clone(),
            group_claim: self.group_claim.clone(),
            match_pattern: self.match_pattern.clone(),
            jwks_poll_secs,
            groups: self.group.clone(),
            users: self.user.clone(),
            grants: self.grant.clone(),
        }
    }
}

/// Print what a MongoDB server is to be told of the provider
///
/// Writes it in the form that its reader wants: a configuration file, options of a command line, the fields of a page, an
/// object of an API. Values come from the profile and from what is known of the provider's maker, unless flags say
/// otherwise. Asks nobody and stores nothing; stdout has the configuration and nothing else.
///
/// A profile of a program, or --workload, makes an identity provider for programs alone: without a client id, and with users
/// of $external that have to be created (--format roles --user NAME), unless a claim of the tokens names roles.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  mdb-login server config prod
  mdb-login server config prod --format kubernetes --user-claim email
  mdb-login server config prod --format roles --group dba --grant readWrite@app
  mdb-login server config --workload --issuer https://accounts.google.com --audience orders --name gcp
  mdb-login server config --issuer https://login.example.com --client-id 0oa1 --name prod")]
pub struct ServerConfigArgs {
    /// Profile to use, as --profile; or a connection string, whose server names the provider
    #[arg(value_name = "TARGET", id = "target", add = clap_complete::engine::ArgValueCandidates::new(super::complete::profiles))]
    target: Option<String>,
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url, help_heading = "Provider", help = schema::ISSUER.flag_help)]
    issuer: Option<String>,
    #[arg(long, value_name = "ID", help_heading = "Provider", help = schema::CLIENT_ID.flag_help)]
    client_id: Option<String>,
    #[command(flatten)]
    pub federation: FederationArgs,
}

impl ServerConfigArgs {
    pub fn request(&self, global: &GlobalArgs) -> Request {
        let mut request = self.target.as_ref().map_or_else(|| global.request(), |target| global.request_for(target));
        super::flags::one(&mut request, &schema::ISSUER, &self.issuer);
        super::flags::one(&mut request, &schema::CLIENT_ID, &self.client_id);
        self.federation.add_to(&mut request);
        request
    }
}
