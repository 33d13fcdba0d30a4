//! Okta. Facts from MongoDB's manual, Okta's developer documentation (authorization servers, native applications) and
//! the set-up of MongoDB's own tests.

use super::issuer::{Flaw, Issuers, Piece, host, identifier};
use super::recipe::{People, Recipe, Step};

pub static PEOPLE: People = People {
    recipe: Recipe {
        product: "Okta",
        console: "https://YOUR-COMPANY-admin.okta.com",
        steps: &[
            Step::new(
                "application",
                "OIDC - OpenID Connect, Native Application",
                "Applications > Applications > Create App Integration",
            ),
            Step::new("redirect URI", "{redirect_uri}", "Sign-in redirect URIs"),
            Step::new("grant types", "Authorization Code; PKCE required", "Grant type; General > Client Credentials")
                .note("client authentication: None"),
            Step::new("refresh token", "Refresh Token", "Grant type")
                .note("its scope `offline_access` is there from the start"),
            Step::new("device code", "optional: Device Authorization", "Grant type"),
            Step::new("people", "the groups that may sign in", "Assignments"),
            Step::new(
                "authorization server",
                "a custom one, such as `default`",
                "Security > API > Authorization Servers",
            ),
            Step::new("audience", "{audience}", "Authorization Servers > … > Settings > Audience"),
            Step::new(
                "groups claim",
                "`{group_claim}`: Access Token, Always; value type Groups, filter Matches regex `.*`; Any scope",
                "Authorization Servers > … > Claims > Add Claim",
            )
            .for_groups(),
            Step::given("user claim", "`{user_claim}`").note("`sub` is the login in access tokens"),
            Step::new(
                "access policy",
                "a policy for this application, with a rule for the grant types above",
                "Authorization Servers > … > Access Policies",
            ),
            Step::given("scopes", "none of its own"),
        ],
        pitfalls: &[
            (
                "org server",
                "the org authorization server (an issuer without `/oauth2/…`) gives access tokens that nobody but Okta can verify",
            ),
            (
                "API Access Management",
                "custom authorization servers are part of that product; without it there are none",
            ),
            ("no policy", "without an access policy for the application every sign-in ends with `access_denied`"),
        ],
        issuers: &ISSUERS,
        user_claim: "sub",
        group_claim: Some("groups"),
    },
    client_id_place: "Applications > … > General > Client ID",
    scopes: &[],
    id_token: false,
    auth_params: &[],
    wants_secret: false,
    pkce_is_unsaid: false,
};

static ISSUERS: Issuers = Issuers {
    template: Some("https://{domain}/oauth2/{authorization-server}"),
    place: "Security > API > Authorization Servers > … > Settings > Issuer",
    pieces: &[
        Piece { flag: "--domain", name: "Okta domain", place: "the menu under your name", default: None, read: domain },
        Piece {
            flag: "--authorization-server",
            name: "authorization server",
            place: "its id, `default` or `aus…`, at the end of its issuer",
            default: Some("default"),
            read: identifier,
        },
    ],
    judge: judge_issuer,
};

fn domain(text: &str) -> Result<String, Flaw> {
    let host = host(text)?;
    if text.contains("/oauth2/") {
        return Err(Flaw::new("has an authorization server in it already").instead(format!("--issuer {text}")));
    }
    match host.split_once("-admin.okta") {
        Some((company, rest)) => {
            Err(Flaw::new("is the domain of the administrators' console")
                .instead(format!("--domain {company}.okta{rest}")))
        }
        None => Ok(host),
    }
}

fn judge_issuer(_: &str, url: &url::Url) -> Result<(), Flaw> {
    let mut path = url.path_segments().into_iter().flatten();
    // `/oauth2/v1/…` are the org server's endpoints.
    match (path.next(), path.next(), path.next()) {
        (Some("oauth2"), Some(id), None) if !id.is_empty() && id != "v1" => Ok(()),
        _ => {
            let host = url.host_str().unwrap_or_default();
            Err(Flaw::new(
                "is not the issuer of a custom authorization server; the org server's access tokens are for Okta alone",
            )
            .instead(format!("--issuer https://{host}/oauth2/default")))
        }
    }
}
