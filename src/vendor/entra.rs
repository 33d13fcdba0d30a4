//! Microsoft Entra ID. Facts from MongoDB's manual ("Configure OIDC for Workforce Authentication") and Microsoft's
//! documentation of the identity platform (access token claims, app manifest, groups). For programs, from "Configure an
//! External Identity Provider for Workload Authentication", and Microsoft's of managed identities and workload identities.

use super::issuer::{Flaw, Issuers, Piece, guid};
use super::recipe::{People, Programs, Recipe, Step, Way};

pub static PEOPLE: People = People {
    recipe: Recipe {
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
        issuers: &ISSUERS,
        user_claim: "upn",
        group_claim: Some("groups"),
    },
    client_id_place: "Overview > Application (client) ID",
    scopes: &["{client_id}/.default"],
    id_token: false,
    auth_params: &[],
    wants_secret: false,
    pkce_is_unsaid: true,
};

const MANAGED: &str = "azure-managed-identity";
const CLIENT: &str = "client-credentials";

pub static PROGRAMS: Programs = Programs {
    recipe: Recipe {
        product: "Microsoft Entra ID",
        console: "https://entra.microsoft.com",
        steps: &[
            Step::new(
                "application",
                "a new registration for MongoDB, such as `MongoDB - Workload`",
                "App registrations > New registration",
            )
            .note("it stands for the servers; people have another one"),
            Step::new(
                "accounts",
                "Accounts in this organizational directory only (single tenant)",
                "New registration > Supported account types",
            ),
            Step::new("redirect URI", "Web, and left empty", "New registration > Redirect URI"),
            Step::new("Application ID URI", "api://{audience}", "Expose an API > Application ID URI > Add")
                .note("the one that is offered; it is what tokens are asked for"),
            Step::new("token version", "2, in place of null", "Manifest > api > requestedAccessTokenVersion")
                .note("older manifests call it accessTokenAcceptedVersion; version 1 has another issuer and another audience"),
            Step::new(
                "groups claim",
                "`{group_claim}`: security groups, with Group ID alone, are `groups`; app roles are `roles`",
                "Token configuration > Add groups claim; or App roles > Create app role, for Applications",
            )
            .note("the program has to be in the group, or to be assigned the role")
            .for_groups(),
            Step::new(
                "identity",
                "System assigned: On; or User assigned: Add",
                "Virtual machines > … > Security > Identity",
            )
            .note("App Service, Functions and Arc have the same page; of several user-assigned ones `--identity client_id:ID` chooses")
            .for_kind(MANAGED),
            Step::new(
                "pod on AKS",
                "optional: a federated credential for its service account; the label `azure.workload.identity/use: \"true\"`",
                "Managed Identities > … > Federated credentials",
            )
            .for_kind(MANAGED),
            Step::new(
                "service principal",
                "a registration for the program, with {client_id} as its client id",
                "App registrations > New registration",
            )
            .for_kind(CLIENT),
            Step::new(
                "its proof",
                "a certificate, or a client secret in a file that only the program can read",
                "(the program's registration) > Certificates & secrets",
            )
            .note("a certificate takes `--client-key-file` and `--client-certificate-file`, a secret `--client-secret-file`")
            .for_kind(CLIENT),
            Step::given("user claim", "`{user_claim}`: the object id of the identity").note("`oid` is the same"),
            Step::given("audience", "{audience}").note("in tokens of version 2 it is the application id without `api://`"),
        ],
        pitfalls: &[
            ("object id", "the user's name is the Object ID under Enterprise applications, or on the page Identity; App registrations shows another"),
            ("v1 tokens", "while the token version is null, `iss` is `https://sts.windows.net/…/`, and `aud` is the Application ID URI"),
            ("everybody in the tenant", "any identity of the tenant gets a token for the application: who may do something is decided by the users or roles that you create"),
        ],
        issuers: &ISSUERS,
        user_claim: "sub",
        group_claim: Some("groups"),
    },
    audience: "application id",
    audience_place: "Application (client) ID, on the Overview of MongoDB's registration",
    audience_flag: "APPLICATION_ID",
    ways: &[
        Way {
            kind: MANAGED,
            about: "a managed identity: virtual machines, App Service, Functions, Arc, pods on AKS",
            resource: Some("api://{audience}"),
            scope: None,
            is_client: false,
            built_in: Some("ENVIRONMENT:azure,TOKEN_RESOURCE:{resource}"),
            built_in_note: "on virtual machines alone; a user-assigned identity's client id is the user name",
        },
        Way {
            kind: CLIENT,
            about: "a service principal, anywhere",
            resource: None,
            scope: Some("{audience}/.default"),
            is_client: true,
            built_in: None,
            built_in_note: "",
        },
    ],
};

static ISSUERS: Issuers = Issuers {
    template: Some("https://login.microsoftonline.com/{tenant}/v2.0"),
    place: "Overview > Endpoints > OpenID Connect metadata document, without `/.well-known/…`",
    pieces: &[Piece {
        flag: "--tenant",
        name: "Directory (tenant) ID",
        place: "Overview",
        default: None,
        read: tenant,
    }],
    judge: judge_issuer,
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
