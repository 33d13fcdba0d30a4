//! Google Workspace and Cloud Identity. Facts from Google's documentation (OAuth 2.0 for desktop applications, OpenID
//! Connect).

use super::issuer::Flaw;
use super::recipe::{Recipe, Step};

const ISSUER: &str = "https://accounts.google.com";

pub static RECIPE: Recipe = Recipe {
    name: "google",
    product: "Google",
    console: "https://console.cloud.google.com",
    steps: &[
        Step::new("people", "Internal: those of your organization alone", "Google Auth Platform > Audience"),
        Step::new("application", "Desktop app", "Google Auth Platform > Clients > Create client"),
        Step::given("redirect URI", "{redirect_uri}").note("desktop applications may use any loopback address"),
        Step::given("grant types", "authorization code with PKCE").note("a desktop application has it"),
        Step::new("client secret", "in a file that only you can read", "Google Auth Platform > Clients > …")
            .note("Google gives one to desktop applications and wants to see it, though everybody who uses the program has it"),
        Step::given("refresh token", "the parameter `access_type=offline`").note("it is put into the profile"),
        Step::given("device code", "not with this client")
            .note("it would take one of type TVs and Limited Input devices, which has no browser sign-in"),
        Step::given("user claim", "`{user_claim}`").note("it comes with the scope `email`"),
        Step::given("audience", "{audience}").note("it is the client id in ID tokens"),
        Step::new("scopes", "email", "Google Auth Platform > Data Access"),
    ],
    pitfalls: &[
        (
            "opaque token",
            "Google's access tokens are opaque: the ID token is handed over instead, and mongosh by itself needs \
             `--oidcIdTokenAsAccessToken`",
        ),
        ("no groups", "Google's tokens list no groups: users are authorized one by one, each with a user of `$external`"),
        ("External", "an External audience lets every Google account sign in to this application"),
    ],
    issuer: Some(ISSUER),
    issuer_place: "the same for everybody",
    pieces: &[],
    judge_issuer,
    client_id_place: "Google Auth Platform > Clients > … > Client ID",
    scopes: &["email"],
    id_token: true,
    auth_params: &[("access_type", "offline")],
    wants_secret: true,
    pkce_is_unsaid: false,
    user_claim: "email",
    group_claim: None,
};

fn judge_issuer(issuer: &str, url: &url::Url) -> Result<(), Flaw> {
    if url.host_str() == Some("accounts.google.com") && issuer != ISSUER {
        return Err(Flaw::new(format!("must be `{ISSUER}`, and nothing more")).instead(format!("--issuer {ISSUER}")));
    }
    Ok(())
}
