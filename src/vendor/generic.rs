//! Any provider that speaks OpenID Connect: what MongoDB's manual and its rules for clients ask for, whoever it is.

use super::issuer::Issuers;
use super::recipe::{People, Programs, Recipe, Step, Way};

pub static PEOPLE: People = People {
    recipe: Recipe {
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
        issuers: &ISSUERS,
        user_claim: "sub",
        group_claim: Some("groups"),
    },
    client_id_place: "what the provider calls client id or application id",
    scopes: &[],
    id_token: false,
    auth_params: &[],
    wants_secret: false,
    pkce_is_unsaid: false,
};

pub static PROGRAMS: Programs = Programs {
    recipe: Recipe {
        product: "the identity provider",
        console: "",
        steps: &[
            Step::new("application", "a confidential or machine-to-machine client, with {client_id} as its client id", ""),
            Step::new("grant type", "client credentials", ""),
            Step::new("its proof", "a secret, or better the public half of a key (`private_key_jwt`, RFC 7523)", "")
                .note("`--client-secret-file`; `--client-key-file`, with `--client-key-id` or `--client-certificate-file`"),
            Step::new("access token", "a JWT, signed with RS256, with `kid` in its header", "")
                .note("opaque tokens are of no use"),
            Step::new("audience", "{audience}, and nothing else in `aud`", "")
                .note("where it has to be asked for: `--resource`, or a scope of an API's"),
            Step::new("groups claim", "`{group_claim}` in the access token: a list of names", "").for_groups(),
            Step::given("user claim", "`{user_claim}`").note("for a client it is usually the client id"),
        ],
        pitfalls: &[
            (
                "`at+jwt`",
                "a MongoDB server refuses access tokens whose header has that `typ` (RFC 9068); it takes `JWT`, or none",
            ),
            ("two audiences", "an `aud` with two values is refused"),
            ("no `sub`", "`iss`, `sub`, `aud` and `exp` have to be there, whatever the user claim is"),
        ],
        issuers: &ISSUERS,
        user_claim: "sub",
        group_claim: Some("groups"),
    },
    audience: "audience",
    audience_place: "what the provider writes into `aud` of the client's tokens",
    audience_flag: "AUDIENCE",
    ways: &[Way {
        kind: "client-credentials",
        about: "a client of its own, anywhere",
        resource: None,
        scope: None,
        is_client: true,
        built_in: None,
        built_in_note: "",
    }],
};

static ISSUERS: Issuers = Issuers {
    template: None,
    place: "the value of `issuer` in its discovery document, exactly as it stands there",
    pieces: &[],
    judge: |_, _| Ok(()),
};
