//! Google Workspace and Cloud Identity. Facts from Google's documentation (OAuth 2.0 for desktop applications, OpenID
//! Connect); for programs, of service accounts, the metadata server and GKE, and MongoDB's manual ("Configure an External
//! Identity Provider for Workload Authentication").

use super::issuer::{Flaw, Issuers};
use super::recipe::{People, Programs, Recipe, Step, Way};

const ISSUER: &str = "https://accounts.google.com";

pub static PEOPLE: People = People {
    recipe: Recipe {
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
        issuers: &ISSUERS,
        user_claim: "email",
        group_claim: None,
    },
    client_id_place: "Google Auth Platform > Clients > … > Client ID",
    scopes: &["email"],
    id_token: true,
    auth_params: &[("access_type", "offline")],
    wants_secret: true,
    pkce_is_unsaid: false,
};

pub static PROGRAMS: Programs = Programs {
    recipe: Recipe {
        product: "Google Cloud",
        console: "https://console.cloud.google.com",
        steps: &[
            Step::new("service account", "one for the program", "IAM & Admin > Service Accounts > Create service account")
                .note("the platform's default account is shared by everything in the project"),
            Step::new("attached", "to the virtual machine, service, function, build or application", "(its page) > Edit > Service account")
                .note("nothing has to be granted: every account may have ID tokens of its own"),
            Step::new(
                "pod on GKE",
                "optional: the annotation `iam.gke.io/gcp-service-account` and the role Workload Identity User",
                "IAM & Admin > Service Accounts > … > Permissions",
            ),
            Step::new("elsewhere", "optional: a key, in a file that only the program can read", "IAM & Admin > Service Accounts > … > Keys")
                .note("`--credentials-file PATH`; `--impersonate ACCOUNT` borrows another account in place of a key of its own"),
            Step::given("user claim", "`{user_claim}`: the account's Unique ID")
                .note("`gcloud iam service-accounts describe ACCOUNT --format='value(uniqueId)'`"),
            Step::given("audience", "{audience}").note("free to choose: it is asked for by name, and nobody registers it"),
        ],
        pitfalls: &[
            (
                "everybody's issuer",
                "anybody's service account gets a token for any audience: have users authorized one by one, by a claim that \
                 nobody else can have",
            ),
            ("no groups", "these tokens list no groups: each account has a user of its own in `$external`"),
            ("e-mail", "an account that is deleted and made anew has the same address and another Unique ID"),
        ],
        issuers: &ISSUERS,
        user_claim: "sub",
        group_claim: None,
    },
    audience: "audience",
    audience_place: "free to choose, such as `mongodb://orders`",
    audience_flag: "AUDIENCE",
    ways: &[Way {
        kind: "gcp",
        about: "a service account: Compute Engine, App Engine, Cloud Functions, Cloud Run, GKE, Cloud Build, or a key",
        resource: None,
        scope: None,
        is_client: false,
        built_in: Some("ENVIRONMENT:gcp,TOKEN_RESOURCE:{audience}"),
        built_in_note: "wherever there is a metadata server; without a user name",
    }],
};

static ISSUERS: Issuers =
    Issuers { template: Some(ISSUER), place: "the same for everybody", pieces: &[], judge: judge_issuer };

fn judge_issuer(issuer: &str, url: &url::Url) -> Result<(), Flaw> {
    if url.host_str() == Some("accounts.google.com") && issuer != ISSUER {
        return Err(Flaw::new(format!("must be `{ISSUER}`, and nothing more")).instead(format!("--issuer {ISSUER}")));
    }
    Ok(())
}
