//! PingOne. Facts from Ping Identity's documentation (applications, attribute mappings, resources, API domains) and from
//! the recipe of Percona's manual, which hands over the ID token.

use super::issuer::{Flaw, Issuers, Piece, guid};
use super::recipe::{People, Recipe, Step};

pub static PEOPLE: People = People {
    recipe: Recipe {
        product: "PingOne",
        console: "https://console.pingone.com",
        steps: &[
            Step::new("application", "Native", "Applications > Applications > +").note("switch it on when all is done"),
            Step::new("redirect URI", "{redirect_uri}", "Configuration > Redirect URIs"),
            Step::new(
                "grant types",
                "Authorization Code, response type Code, PKCE enforcement S256_REQUIRED",
                "Configuration > Grant Type",
            )
            .note("token endpoint authentication method: None"),
            Step::new("refresh token", "Refresh Token", "Configuration > Grant Type"),
            Step::new("device code", "optional: Device Authorization", "Configuration > Grant Type"),
            Step::new("groups claim", "`{group_claim}` = Group Names, in the ID token", "Attribute Mappings > +")
                .note("an ID token has room for 25 values of an attribute; more than that become [SIZE_LIMIT_EXCEEDED]")
                .for_groups(),
            Step::new("user claim", "`{user_claim}`", "Attribute Mappings")
                .note("`sub` is the User ID unless another attribute is mapped to it"),
            Step::given("audience", "{audience}").note("it is the client id in ID tokens"),
            Step::given("scopes", "openid"),
        ],
        pitfalls: &[
            (
                "access token",
                "PingOne's own access tokens are for its API and take no groups claim: the ID token is handed over instead, \
             and mongosh by itself needs `--oidcIdTokenAsAccessToken`",
            ),
            (
                "PingFederate",
                "has issuers of its own; choose a JWT token manager for access tokens, and run `setup generic`",
            ),
        ],
        issuers: &ISSUERS,
        user_claim: "sub",
        group_claim: Some("groups"),
    },
    client_id_place: "Applications > … > Overview > Client ID",
    scopes: &[],
    id_token: true,
    auth_params: &[],
    wants_secret: false,
    pkce_is_unsaid: false,
};

static ISSUERS: Issuers = Issuers {
    template: Some("https://auth.pingone.{region}/{environment-id}/as"),
    place: "Applications > … > Configuration > URLs > Issuer ID",
    pieces: &[
        Piece {
            flag: "--region",
            name: "region",
            place: "the end of the console's domain: com, ca, eu, asia, com.au or sg",
            default: Some("com"),
            read: region,
        },
        Piece {
            flag: "--environment-id",
            name: "Environment ID",
            place: "Settings > Environment Properties",
            default: None,
            read: guid,
        },
    ],
    judge: judge_issuer,
};

fn region(text: &str) -> Result<String, Flaw> {
    let domain = match text.to_ascii_lowercase().as_str() {
        "com" | "na" | "us" => "com",
        "ca" => "ca",
        "eu" => "eu",
        "asia" | "ap" => "asia",
        "com.au" | "au" => "com.au",
        "sg" => "sg",
        _ => return Err(Flaw::new("must be one of `com`, `ca`, `eu`, `asia`, `com.au` and `sg`")),
    };
    Ok(domain.to_owned())
}

fn judge_issuer(_: &str, url: &url::Url) -> Result<(), Flaw> {
    if url.path().ends_with("/as") {
        return Ok(());
    }
    Err(Flaw::new("must end with the environment's id and `/as`"))
}
