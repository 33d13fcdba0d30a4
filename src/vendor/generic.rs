//! Any provider that speaks OpenID Connect: what MongoDB's manual and its rules for clients ask for, whoever it is.

use super::recipe::{Recipe, Step};

pub static RECIPE: Recipe = Recipe {
    name: "generic",
    product: "the identity provider",
    console: "",
    steps: &[
        Step::new("application", "OpenID Connect, a public or native client: no secret", ""),
        Step::new("redirect URI", "{redirect_uri}", ""),
        Step::new("grant types", "authorization code, PKCE with S256", ""),
        Step::new("refresh token", "the grant, and the scope `offline_access`", ""),
        Step::new("device code", "optional: device authorization grant (RFC 8628)", ""),
        Step::new("access token", "a JWT, signed with RS256, with `kid` in its header", "")
            .note("opaque and encrypted tokens are of no use; if it has no others, add `--id-token`"),
        Step::new("audience", "{audience}, and nothing else in `aud`", ""),
        Step::new("groups claim", "`{group_claim}` in the access token: a list of names", "").for_groups(),
        Step::new("user claim", "`{user_claim}` in the access token: a text", ""),
        Step::new("scopes", "openid, offline_access, and what the claims hang on", ""),
    ],
    pitfalls: &[
        (
            "`at+jwt`",
            "a MongoDB server refuses access tokens whose header has that `typ` (RFC 9068); it takes `JWT`, or none",
        ),
        ("two audiences", "an `aud` with two values is refused"),
        ("no `sub`", "`iss`, `sub`, `aud` and `exp` have to be there, whatever the user claim is"),
        ("https", "the server fetches metadata and keys itself, and over https only"),
    ],
    issuer: None,
    issuer_place: "the value of `issuer` in its discovery document, exactly as it stands there",
    pieces: &[],
    judge_issuer: |_, _| Ok(()),
    client_id_place: "what the provider calls client id or application id",
    scopes: &[],
    id_token: false,
    auth_params: &[],
    wants_secret: false,
    pkce_is_unsaid: false,
    user_claim: "sub",
    group_claim: Some("groups"),
};
