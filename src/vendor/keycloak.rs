//! Keycloak. Facts from its server administration guide (clients, client scopes, audience support).

use super::issuer::{Flaw, Issuers, Piece, base_url, identifier};
use super::recipe::{People, Recipe, Step};

pub static PEOPLE: People = People {
    recipe: Recipe {
        product: "Keycloak",
        console: "",
        steps: &[
            Step::new("application", "a client of type OpenID Connect", "Clients > Create client")
                .note("the client id is a name of your choice, such as `mongodb`"),
            Step::new(
                "grant types",
                "Standard flow, with Client authentication and Direct access grants off; PKCE method S256",
                "Capability config",
            )
            .note("before version 26 the PKCE method is among the Advanced settings"),
            Step::new("device code", "optional: OAuth 2.0 Device Authorization Grant", "Capability config"),
            Step::new("redirect URI", "{redirect_uri}", "Login settings > Valid redirect URIs"),
            Step::given("refresh token", "the scope `offline_access`").note("it is an optional client scope from the start"),
            Step::new(
                "audience",
                "{audience}: a mapper Audience with this as Included Custom Audience, Add to access token on",
                "Client scopes > …-dedicated > Add mapper > By configuration",
            ),
            Step::new("audience alone", "Full scope allowed off", "Client scopes > …-dedicated > Scope")
                .note("else `account` is in `aud`, too, and a MongoDB server takes a single audience"),
            Step::new(
                "groups claim",
                "`{group_claim}`: a mapper Group Membership, Full group path off, Add to access token on",
                "Client scopes > …-dedicated > Add mapper > By configuration",
            )
            .for_groups(),
            Step::new("user claim", "`{user_claim}`", "Client scopes")
                .note("`preferred_username` comes with the scope `profile`, `sub` with `basic`; `sub`, if people may change their user names"),
            Step::given("scopes", "none of its own"),
        ],
        pitfalls: &[
            ("`at+jwt`", "leave \"Use at+jwt as access token header type\" off (Advanced): a MongoDB server refuses that type"),
            ("`account`", "an `aud` with two values is refused; look at Client scopes > Evaluate > Generated access token"),
            ("lightweight token", "leave \"Always use lightweight access token\" off: it has neither `sub` nor groups"),
            ("`iss`", "is the realm's public address; set the hostname, or it is what the browser happened to use"),
        ],
        issuers: &ISSUERS,
        user_claim: "preferred_username",
        group_claim: Some("groups"),
    },
    client_id_place: "Clients > … > Settings > Client ID",
    scopes: &[],
    id_token: false,
    auth_params: &[],
    wants_secret: false,
    pkce_is_unsaid: false,
};

static ISSUERS: Issuers = Issuers {
    template: Some("{base-url}/realms/{realm}"),
    place: "Realm settings > Endpoints > OpenID Endpoint Configuration, the value of `issuer`",
    pieces: &[
        Piece {
            flag: "--base-url",
            name: "address of the server",
            place: "what stands before `/realms`, such as `https://id.example.com`",
            default: None,
            read: address,
        },
        Piece {
            flag: "--realm",
            name: "realm",
            place: "the menu at the top of the console",
            default: None,
            read: identifier,
        },
    ],
    judge: judge_issuer,
};

fn address(text: &str) -> Result<String, Flaw> {
    let url = base_url(text)?;
    let has = |name: &str| url.split('/').skip(3).any(|segment| segment == name);
    if has("realms") {
        return Err(Flaw::new("has a realm in it already").instead(format!("--issuer {url}")));
    }
    if has("admin") {
        return Err(Flaw::new("is the address of the administrators' console; give what stands before `/admin`"));
    }
    Ok(url)
}

fn judge_issuer(_: &str, url: &url::Url) -> Result<(), Flaw> {
    match url.path().rsplit_once("/realms/") {
        Some((_, realm)) if !realm.is_empty() && !realm.contains('/') => Ok(()),
        _ => Err(Flaw::new("must end with `/realms/` and the realm's name")),
    }
}
