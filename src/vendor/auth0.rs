//! Auth0. Facts from its documentation (native applications, access tokens, custom claims).

use super::issuer::{Flaw, Issuers, Piece, host};
use super::recipe::{People, Recipe, Step};

pub static PEOPLE: People = People {
    recipe: Recipe {
        product: "Auth0",
        console: "https://manage.auth0.com",
        steps: &[
            Step::new("application", "Native", "Applications > Applications > Create Application"),
            Step::new("redirect URI", "{redirect_uri}", "Settings > Allowed Callback URLs"),
            Step::new("grant types", "Authorization Code; PKCE comes with it", "Settings > Advanced Settings > Grant Types")
                .note("authentication method: None"),
            Step::new("refresh token", "Refresh Token", "Settings > Advanced Settings > Grant Types"),
            Step::new("device code", "optional: Device Code", "Settings > Advanced Settings > Grant Types"),
            Step::new("signature", "RS256", "Settings > Advanced Settings > OAuth > JsonWebToken Signature Algorithm"),
            Step::new(
                "groups claim",
                "`{group_claim}` in the ID token: `api.idToken.setCustomClaim(\"{group_claim}\", event.authorization.roles)`",
                "Actions > Library > Create Action > Login / Post Login",
            )
            .note("`groups` and `roles` are names that Auth0 keeps to itself: a claim of that name is dropped without a word")
            .for_groups(),
            Step::given("user claim", "`{user_claim}`").note("`sub` is the user id"),
            Step::given("audience", "{audience}").note("it is the client id in ID tokens"),
            Step::given("scopes", "none of its own"),
        ],
        pitfalls: &[
            (
                "opaque token",
                "without an API as audience, access tokens are opaque; with one and `openid`, they are for two audiences, which \
                 a MongoDB server refuses: the ID token is handed over instead, and mongosh by itself needs \
                 `--oidcIdTokenAsAccessToken`",
            ),
            ("the slash", "the issuer ends with `/`, and is compared byte for byte"),
        ],
        issuers: &ISSUERS,
        user_claim: "sub",
        group_claim: Some("mongodb_groups"),
    },
    client_id_place: "Applications > … > Settings > Client ID",
    scopes: &[],
    id_token: true,
    auth_params: &[],
    wants_secret: false,
    pkce_is_unsaid: false,
};

static ISSUERS: Issuers = Issuers {
    template: Some("https://{domain}/"),
    place: "Applications > … > Settings > Domain, with `https://` before and `/` after it",
    pieces: &[Piece {
        flag: "--domain",
        name: "Domain",
        place: "Applications > … > Settings",
        default: None,
        read: host,
    }],
    judge: judge_issuer,
};

fn judge_issuer(issuer: &str, url: &url::Url) -> Result<(), Flaw> {
    // To the parser, an address without a path and one of `/` are the same.
    if url.path() == "/" && issuer.ends_with('/') {
        return Ok(());
    }
    Err(Flaw::new("must be the domain alone, with a slash at its end")
        .instead(format!("--issuer https://{}/", url.host_str().unwrap_or_default())))
}
