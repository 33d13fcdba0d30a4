//! Microsoft Entra ID. Facts from MongoDB's manual ("Configure OIDC for Workforce Authentication") and Microsoft's
//! documentation of the identity platform (access token claims, app manifest, groups).

use super::issuer::{Flaw, Piece, guid};
use super::recipe::{Recipe, Step};

pub static RECIPE: Recipe = Recipe {
    name: "entra",
    product: "Microsoft Entra ID",
    console: "https://entra.microsoft.com",
    steps: &[
        Step::new("application", "a new registration, such as `MongoDB`", "App registrations > New registration"),
        Step::new(
            "accounts",
            "Accounts in this organizational directory only (single tenant)",
            "New registration > Supported account types",
        ),
        Step::new("platform", "Public client/native (mobile & desktop)", "New registration > Redirect URI"),
        Step::new("redirect URI", "{redirect_uri}", "New registration > Redirect URI"),
        Step::given("grant types", "authorization code with PKCE").note("a public client has it"),
        Step::given("refresh token", "the scope `offline_access`").note("every application may ask for it"),
        Step::new(
            "device code",
            "optional: Allow public client flows",
            "Authentication > Settings > Allow public client flows",
        ),
        Step::new(
            "groups claim",
            "`{group_claim}`: Security groups, and Group ID alone for the access token",
            "Token configuration > Add groups claim",
        )
        .note("roles are then named by object ids, as in `prefix/5f1c…`; in large companies choose Groups assigned to the application")
        .for_groups(),
        Step::new("user claim", "`{user_claim}` in the access token", "Token configuration > Add optional claim > Access")
            .note("accept the Microsoft Graph permission that is offered with it; `sub` and `oid` are there without"),
        Step::new("token version", "2, in place of null", "Manifest > api > requestedAccessTokenVersion")
            .note("older manifests call it accessTokenAcceptedVersion; version 1 has another issuer"),
        Step::given("audience", "{audience}").note("it is the client id in tokens of version 2"),
        Step::given("scopes", "{client_id}/.default").note("clients ask for it, and get a token for this application"),
    ],
    pitfalls: &[
        ("Graph token", "without a scope of the application, access tokens are for Microsoft Graph, and nobody else can verify them"),
        ("v1 issuer", "`https://sts.windows.net/…` is the issuer of tokens of version 1; set the token version instead"),
        ("`common`", "`common` and `organizations` are no tenants: no token has them in its issuer"),
        ("many groups", "whoever is in more than 200 groups gets a token without the claim, and no roles"),
    ],
    issuer: Some("https://login.microsoftonline.com/{tenant}/v2.0"),
    issuer_place: "Overview > Endpoints > OpenID Connect metadata document, without `/.well-known/…`",
    pieces: &[Piece { flag: "--tenant", name: "Directory (tenant) ID", place: "Overview", default: None, read: tenant }],
    judge_issuer,
    client_id_place: "Overview > Application (client) ID",
    scopes: &["{client_id}/.default"],
    id_token: false,
    auth_params: &[],
    wants_secret: false,
    pkce_is_unsaid: true,
    user_claim: "upn",
    group_claim: Some("groups"),
};

/// Names that stand for many tenants.
const EVERYBODY: [&str; 3] = ["common", "organizations", "consumers"];

fn tenant(text: &str) -> Result<String, Flaw> {
    if EVERYBODY.contains(&text) {
        return Err(Flaw::new("stands for people of any company; tokens name one tenant, by its id"));
    }
    if text.contains('.') {
        return Err(Flaw::new(
            "is a domain; tokens name the tenant by its id, which Overview shows as Directory (tenant) ID",
        ));
    }
    guid(text)
}

fn judge_issuer(_: &str, url: &url::Url) -> Result<(), Flaw> {
    let mut path = url.path_segments().into_iter().flatten();
    let tenant = path.next().unwrap_or_default();
    if EVERYBODY.contains(&tenant) {
        return Err(Flaw::new("is for people of any company; tokens name one tenant, by its id").instead("--tenant ID"));
    }
    let host = url.host_str().unwrap_or_default();
    if host == "sts.windows.net" {
        return Err(Flaw::new("is the issuer of tokens of version 1; set `requestedAccessTokenVersion` to 2")
            .instead(format!("--issuer https://login.microsoftonline.com/{tenant}/v2.0")));
    }
    // A domain of the company's own may stand in front, so nothing is said of the host.
    if path.next() != Some("v2.0") || path.next().is_some() {
        return Err(Flaw::new("must end with the tenant's id and `/v2.0`")
            .instead(format!("--issuer https://{host}/{tenant}/v2.0")));
    }
    Ok(())
}
