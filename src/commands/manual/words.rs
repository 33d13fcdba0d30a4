//! What the definition of the command line cannot say: exit status, environment, files, security. By hand, except what
//! [`Kind`] and the table of settings know.
//!
//! Text between backticks is shown in bold. A command is named by the words that lead to it: `["profile", "set"]`.

use clap::Command;

use crate::error::Kind;
use crate::settings::schema::{self, Setting, Shape};

/// A piece of a section.
pub enum Item {
    /// A paragraph.
    Text(String),
    /// A term and what it means.
    Term(String, String),
    /// One of several points.
    Point(String),
    /// Lines shown as they are.
    Commands(String),
}

fn text(text: &str) -> Item {
    Item::Text(text.to_owned())
}

fn term(term: &str, text: impl Into<String>) -> Item {
    Item::Term(term.to_owned(), text.into())
}

fn point(text: &str) -> Item {
    Item::Point(text.to_owned())
}

fn is_session_command(names: &[&str]) -> bool {
    matches!(
        names,
        ["login" | "token" | "exec" | "status" | "logout" | "verify" | "inspect" | "doctor" | "setup"]
            | ["server", "config" | "keys"]
    )
}

pub fn exit_status(names: &[&str]) -> Vec<Item> {
    use Kind::{
        CannotStart, Config, Denied, Failed, Interrupted, LoginRequired, NotFound, PortTaken, RuleBroken, Store,
        TimedOut, Unavailable, Usage,
    };
    let done = match names {
        ["token"] => "A token was printed, or written to the file.",
        ["exec"] => "The program was run and has ended with 0; with `--print-env`, the variables were printed.",
        ["status"] => "Somebody is signed in; with `--all`, the list was printed.",
        ["discover"] => "The server has named a provider that people can sign in with.",
        ["verify"] => "The server has taken the token.",
        ["doctor"] => "Nothing has failed; there may be warnings.",
        ["server", "keys"] => {
            "Every node that tokens may go to was asked, and has loaded the keys anew if it was told to."
        }
        ["server", "check"] => {
            "The server would start with the file, and people or programs could sign in. There may be warnings."
        }
        ["inspect"] => "A MongoDB server would take the token. Warnings change nothing about that.",
        ["setup"] => {
            "The profile was written; or, without issuer or client id (for a program: audience), the page was printed."
        }
        ["server", "config"] => "The configuration was printed.",
        ["logout"] => {
            "The session is gone from this machine, or there was none. Whether the provider revoked it is \
                       said on stderr, and in the object that `--json` prints."
        }
        _ => "Done.",
    };
    let all_but = |missing: &[Kind]| Kind::ALL.into_iter().filter(|kind| !missing.contains(kind)).collect();
    let kinds: Vec<Kind> = match names {
        [] => Kind::ALL.to_vec(),
        ["login"] => all_but(&[CannotStart, NotFound]),
        ["token"] | ["status"] | ["verify"] | ["inspect"] => all_but(&[PortTaken, CannotStart, NotFound]),
        ["exec"] => all_but(&[PortTaken]),
        ["discover"] => vec![Failed, Usage, Config, Denied, Unavailable, RuleBroken],
        ["doctor"] => vec![Failed, Usage, Config, Denied, TimedOut, Unavailable, Store, PortTaken, RuleBroken],
        ["setup"] => vec![Failed, Usage, Config, LoginRequired, Denied, TimedOut, Unavailable, RuleBroken, Interrupted],
        ["server", "config"] => vec![Failed, Usage, Config],
        ["logout"] => vec![Failed, Usage, Config, TimedOut, Store, PortTaken, Interrupted],
        ["server", "check"] => vec![Failed, Usage, Config],
        ["server", "keys"] => all_but(&[PortTaken, CannotStart, NotFound]),
        ["profile", "trust"] => vec![Failed, Usage, Config, LoginRequired, Denied, Unavailable, RuleBroken],
        ["profile", ..] => vec![Failed, Usage, Config, TimedOut],
        _ => vec![Failed, Usage],
    };
    let statuses = kinds.iter().map(|kind| term(&kind.exit_code().to_string(), meaning(*kind)));
    let mut items: Vec<Item> = std::iter::once(term("0", done)).chain(statuses).collect();
    if names.is_empty() {
        items.push(text(
            "The numbers, and the names that `--json` gives them in `error.code`, are an interface: they keep their \
             meaning. So do the fields of the objects that `--json` prints on stdout while their `schema` is 1; others may \
             be added. Where `mdb-login token` fails, it prints nothing on stdout.",
        ));
    }
    if names == ["inspect"] {
        items.push(text(
            "A rule that is broken is 5; where nobody can say, 7 (the provider's keys could not be had) or 3 (nobody has said \
             what the server expects). What was found out is on stdout in each of these cases. With a configuration that a \
             server would not start with it is 3, too, and the token is not looked at.",
        ));
    }
    if names == ["doctor"] {
        items.push(text(
            "The status is that of the first failure on the page, which is the one to begin with: the rest may hang on it.",
        ));
    }
    if matches!(names, [] | ["exec"]) {
        items.push(text(
            "`mdb-login exec` ends with the status of its program, whatever that is; 128 + n if signal n ended it. The \
             statuses above are those of `exec` only where it did not start the program.",
        ));
    }
    items
}

fn meaning(kind: Kind) -> String {
    let text = match kind {
        Kind::Failed => "Something failed that no other status describes.",
        Kind::Usage => "The command line is wrong.",
        Kind::Config => {
            "The configuration is wrong or incomplete: config.toml, an environment variable, a file that they name, or \
             a setting at the provider."
        }
        Kind::LoginRequired => {
            "Nobody is signed in, or the session has ended, or a person is needed and none is there. Run \
             `mdb-login login`."
        }
        Kind::Denied => "The person, the provider or the MongoDB server said no.",
        Kind::TimedOut => {
            "Nobody answered in time: the person, the browser, or another mdb-login that holds the lock. The same \
             command may work later."
        }
        Kind::Unavailable => {
            "The network, the provider or the MongoDB server is unavailable. The session is kept; the same command may work later."
        }
        Kind::Store => "The keyring or store is locked, absent, full, refusing, or holds something unreadable.",
        Kind::PortTaken => "None of the redirect URIs could be listened on.",
        Kind::RuleBroken => {
            "An answer broke a security rule and was not used: a wrong issuer or signature, a token for another \
             audience, a certificate that is not trusted, a server that tokens may not go to. Or another user of this machine may have signed in."
        }
        Kind::CannotStart => "The program of `mdb-login exec` was found, and could not be started.",
        Kind::NotFound => "The program of `mdb-login exec` was not found.",
        Kind::Interrupted => "Ctrl-C, SIGTERM or SIGHUP. Nothing is left half done.",
    };
    format!("{text} (`{}`)", kind.name())
}

/// A setting with everything that the table knows of it.
pub fn setting(setting: &Setting) -> Item {
    let form = match setting.shape {
        Shape::Text => "A text.".to_owned(),
        Shape::Words => "A list: in config.toml of strings, elsewhere separated by spaces.".to_owned(),
        Shape::Pairs => "In config.toml a table of strings; elsewhere `name=value`, separated by spaces.".to_owned(),
        Shape::Switch => "`true` or `false`.".to_owned(),
        Shape::Number => "A whole number.".to_owned(),
        Shape::Duration => "A duration with its unit, such as `30s` or `5m`.".to_owned(),
        Shape::Path => "A file; in config.toml by its full path.".to_owned(),
        Shape::Command => {
            "A command: in config.toml a list of strings; elsewhere split as a shell would, though none runs it."
                .to_owned()
        }
        Shape::Choice(choices) => {
            let choices: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
            format!("One of {}.", choices.join(", "))
        }
    };
    let default = setting.default.map(|default| format!(" Built in: `{default}`.")).unwrap_or_default();
    let flag = setting.flag.map(|flag| format!(" Flag: `{flag}`.")).unwrap_or_default();
    Item::Term(setting.key.to_owned(), format!("{}. {form}{default}{flag} Variable: `{}`.", setting.help, setting.env))
}

pub fn environment(names: &[&str]) -> Vec<Item> {
    let folders = [
        term("MDB_LOGIN_CONFIG_DIR", "Folder of config.toml, as a full path."),
        term(
            "MDB_LOGIN_STATE_DIR",
            "Folder of what is known of sessions, as a full path. Another folder means other sessions, in the keyring \
             too.",
        ),
        term("MDB_LOGIN_PROFILE", "Profile to use where neither TARGET nor `--profile` names one."),
        term(
            "MDB_LOGIN_NO_INPUT",
            "As `--no-input`: nobody is asked anything. Empty, `0`, `false` and `no` mean nothing.",
        ),
    ];
    match names {
        [] => {
            let mut items = vec![text(
                "A flag is stronger than its variable; a variable is stronger than config.toml. \
                 `mdb-login profile show --origin` says where each value comes from.",
            )];
            items.extend(folders);
            items.extend(schema::ALL.iter().map(|setting| setting_variable(setting)));
            items.extend(others());
            items.extend(of_exec());
            items
        }
        ["exec"] => {
            let mut items = Vec::from(folders);
            items.push(text(
                "An option that names a variable as `[env: …]` takes its value from there where it is not given. \
                 Every variable is in mdb-login(1). These are set for the program:",
            ));
            items.extend(of_exec());
            items
        }
        ["completions"] => vec![term(
            "MDB_LOGIN_COMPLETE",
            "Set by the script for the moment of a completion. Printing the script reads no variable.",
        )],
        ["server", "check"] => vec![term("NO_COLOR", "The report without colours, on a terminal.")],
        ["uri"] => vec![text("None is read: the connection string is all that counts.")],
        ["man"] => vec![text("None is read: the pages are the same on every machine.")],
        _ => {
            let mut items = Vec::from(folders);
            items.push(if is_session_command(names) {
                text(
                    "An option that names a variable as `[env: …]` takes its value from there where it is not given. \
                     Every variable is in mdb-login(1).",
                )
            } else {
                text("The variables of the settings are in mdb-login(1).")
            });
            items
        }
    }
}

fn setting_variable(setting: &Setting) -> Item {
    match setting.flag {
        Some(flag) => term(setting.env, format!("{} (`{flag}`, `{}`).", setting.help, setting.key)),
        None => term(setting.env, format!("{} (`{}`).", setting.help, setting.key)),
    }
}

/// What `exec` sets for its program.
fn of_exec() -> Vec<Item> {
    vec![
        term(
            "MDB_LOGIN_EXEC",
            "Set by `mdb-login exec` for its program, to the way in which tokens are handed over. Another `exec` inside \
             of it is refused without `--nested`.",
        ),
        term(
            "MDB_LOGIN_TOKEN_FILE",
            "Set by `mdb-login exec` to the path that tokens are read from, except for mongosh; to be opened anew for \
             each token.",
        ),
        term(
            "MDB_LOGIN_TOKEN_EXPIRES_AT",
            "Set with it: when the token of the start expires, in seconds since 1970. Later ones live longer.",
        ),
        term(
            "AZURE_FEDERATED_TOKEN_FILE, AWS_WEB_IDENTITY_TOKEN_FILE, OIDC_TOKEN_FILE",
            "Set with it, to the same path: where MongoDB's drivers look with `ENVIRONMENT:k8s` and `ENVIRONMENT:test`. \
             AWS and Azure libraries look there, too, so `exec` refuses to run where AWS_ROLE_ARN, or AZURE_CLIENT_ID \
             with AZURE_TENANT_ID, would make them send the token to the cloud, or where one of the first two is set \
             already; `--allow-cloud-env` overrides that.",
        ),
        term(
            "MONGOSH_OIDC_PARENT_HANDLE",
            "Set by `mdb-login exec` for mongosh: a key, and the socket at which it asks for tokens.",
        ),
    ]
}

/// What is not ours and read all the same.
fn others() -> Vec<Item> {
    vec![
        term(
            "BROWSER",
            "Command that opens the sign-in page where `--browser`, `MDB_LOGIN_BROWSER` and config.toml name none; the \
             first of several separated by colons.",
        ),
        term(
            "AZURE_FEDERATED_TOKEN_FILE, AWS_WEB_IDENTITY_TOKEN_FILE",
            "For a program of the kind `kubernetes` without `source_file`: the file that holds its token, the first \
             before the second.",
        ),
        term("OIDC_TOKEN_FILE", "The file that holds a token, for a connection string with `ENVIRONMENT:test`."),
        term(
            "IDENTITY_ENDPOINT, IDENTITY_HEADER, IMDS_ENDPOINT, AZURE_POD_IDENTITY_AUTHORITY_HOST",
            "Azure's own, for the kind `azure-managed-identity`: the token service of App Service and Functions with its \
             header; with IMDS_ENDPOINT the agent of Azure Arc; another address of the metadata service.",
        ),
        term(
            "AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_AUTHORITY_HOST",
            "The same in a pod on AKS with workload identity: the token of its service account, the application in \
             Entra ID that trusts it, and Entra ID's address in another cloud.",
        ),
        term(
            "IDENTITY_SERVER_THUMBPRINT, MSI_ENDPOINT, MSI_SECRET",
            "Tell places of Azure's that are not supported, where nobody is asked in their stead.",
        ),
        term(
            "GOOGLE_APPLICATION_CREDENTIALS, GCE_METADATA_HOST, GCE_METADATA_ROOT, \
             CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS",
            "Google's own, for the kind `gcp`: the key of a service account; another address of the metadata server, under \
             a newer and an older name; another address of IAM.",
        ),
        term(
            "KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT",
            "Where a pod finds the API server, for the kind `kubernetes` with `identity`.",
        ),
        term(
            "ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN",
            "What GitHub's runner gives a job that may have tokens, for the kind `github-actions`.",
        ),
        term(
            "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
            "Proxy for requests to the provider, and the hosts that are reached without it. Weaker than `--proxy`. A \
             provider on loopback is never asked through a proxy.",
        ),
        term(
            "SSL_CERT_FILE, SSL_CERT_DIR",
            "On Linux: certificate authorities to trust instead of the system's. `--ca-file` adds to them.",
        ),
        term(
            "NO_COLOR, TERM",
            "Help, usage errors and pages such as those of `status` and `server check` without colours, if NO_COLOR is set or TERM is `dumb`.",
        ),
        term(
            "XDG_CONFIG_HOME, XDG_STATE_HOME, HOME, APPDATA, LOCALAPPDATA",
            "Where the folders below are unless the variables above say otherwise.",
        ),
        term("DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR", "On Linux: where the keyring (Secret Service) is found."),
        term(
            "DISPLAY, WAYLAND_DISPLAY, SSH_CONNECTION, SSH_CLIENT, SSH_TTY, WSL_DISTRO_NAME, WSL_INTEROP, CODESPACES",
            "Whether a browser that is opened here would be seen. If not, the address is printed with the other ways \
             to sign in.",
        ),
        term("SHELL", "What `mdb-login token --output env` writes for."),
        term(
            "MDB_LOGIN_COMPLETE",
            "Set by the completion scripts: the program answers a shell and does nothing else. Not for people.",
        ),
        term(
            "MDB_LOGIN_CLIENT_SECRET",
            "Refused: every child process would see the secret. Use `MDB_LOGIN_CLIENT_SECRET_FILE`.",
        ),
    ]
}

/// Sessions that nobody signs in to.
pub fn programs() -> Vec<Item> {
    vec![
        text(
            "A program has a session without anybody signing in. `kind` says where its tokens come from: in a profile, with \
             `--kind`, or in MDB_LOGIN_KIND. There is no browser, no listener and no question, whatever happens; a token is \
             cached and handed out as a person's is, and one request is enough however many ask. `mdb-login login` asks \
             once and says what came of it, `mdb-login logout` forgets it, and the next use asks again. mdb-login-profile-set(1) \
             has every setting.",
        ),
        term(
            "client-credentials",
            "A client of any provider, with a secret (`client_secret_file`, `client_secret_command`; `--client-secret-file -` \
             reads it from stdin when it is needed) or an RSA key (`client_key_file`). `scope` and `resource` are asked for as they are. By a key the provider knows the client \
             through its `client_key_id`, or through the thumbprint of `client_certificate_file`; a provider that wants \
             its issuer named in what the key signs needs `client_assertion_audience=issuer`. With Entra ID as the issuer \
             and `<application id>/.default` as the scope, this is a service principal of Azure.",
        ),
        term(
            "azure-managed-identity",
            "What Azure gives to the place where the program runs, for `resource`: the application id URI of the app \
             registration that stands for MongoDB. On a virtual machine its metadata service is asked (IMDS), in App Service \
             and Functions their token service, on a server with Azure Arc its agent, which wants whoever asks to be root or \
             in the group `himds`; in a pod on AKS with workload identity Entra ID is, with the token of the pod's service \
             account (and `mdb-login exec` needs `--allow-cloud-env`, since Azure's variables are set there). `identity` \
             says which of several: `client_id:ID`, `object_id:ID` or `resource_id:/subscriptions/...`. \
             `audience` is looked at only where it is set: newer tokens name the bare client id, older ones the URI. Not \
             supported are Service Fabric, Cloud Shell and Azure Machine Learning.",
        ),
        term(
            "gcp",
            "The ID token of a service account of Google's, for `audience`. With the key of an account \
             (`credentials_file`, or GOOGLE_APPLICATION_CREDENTIALS) it signs for itself; without one the metadata server is \
             asked: on Compute Engine, GKE, Cloud Run, Cloud Functions, App Engine and in Cloud Build. `identity` is the \
             e-mail address of one of several accounts there. `impersonate` is that of an account whose token is wanted \
             instead, if the first one has the role `roles/iam.serviceAccountOpenIdTokenCreator` on it.",
        ),
        term(
            "kubernetes",
            "The token that the cluster projects into a pod: from `source_file`, else from where MongoDB's drivers look, \
             which is the file named by AZURE_FEDERATED_TOKEN_FILE or AWS_WEB_IDENTITY_TOKEN_FILE, or \
             /var/run/secrets/kubernetes.io/serviceaccount/token. It is read for each use, so a token that the cluster has \
             replaced is never handed out. With `identity`, a service account as `NAMESPACE/NAME`, the API server is asked \
             for a token of that account with `audience`, which the pod's own account must be allowed to \
             (`create` on `serviceaccounts/token`); its token is then the one in `source_file` or in that folder.",
        ),
        term(
            "github-actions",
            "The token of a run of a workflow, for `audience`. Its job needs `id-token: write` among its `permissions`.",
        ),
        term("file", "A token that something else keeps fresh in `source_file`; read for each use."),
        term(
            "command",
            "A token that `source_command` prints, run when one is needed. It has 30 s, and nothing else may be on its \
             stdout.",
        ),
        text(
            "A connection string may say it as MongoDB's drivers have it: `ENVIRONMENT:azure` and `ENVIRONMENT:gcp` mean \
             what the metadata server gives for `TOKEN_RESOURCE`, `ENVIRONMENT:k8s` the projected token, and \
             `ENVIRONMENT:test` the file in OIDC_TOKEN_FILE, the last two where nothing else says which session is meant. \
             `mdb-login exec` then hands the token over in a file of its own, to programs whose driver cannot.",
        ),
        text(
            "Metadata servers and what else answers beside a program are never asked through a proxy, and where there is \
             none, that is known within a second. Passing troubles are waited out as each vendor documents: no attempt \
             begins after 40 seconds, or 85 while Azure's metadata service is being updated; an `http_timeout` below the \
             usual 12 s shortens that in proportion.",
        ),
        text(
            "Each token is judged as a person's: it must be a JWT, and for `audience` and of `issuer` where these are set. \
             A program's token is never in the system's keyring, which somebody would have to unlock: it is in the Linux \
             kernel keyring until it expires, else with `--store file` in a file, else nowhere.",
        ),
    ]
}

pub fn files(names: &[&str]) -> Vec<Item> {
    let config = term(
        "~/.config/mdb-login/config.toml",
        "Profiles and defaults; see mdb-login-profile(1). Holds no secrets, and is refused if other users may write to \
         it. Follows XDG_CONFIG_HOME; on Windows %APPDATA%\\mdb-login\\config.toml.",
    );
    let state = term(
        "~/.local/state/mdb-login/sessions/",
        "For each session a `.json` file with everything that is not secret (account, provider, times, which store) \
         and the lock files, which stay. With `--store file` also a `.secret` file with the tokens, mode 0600. Follows \
         XDG_STATE_HOME; on Windows %LOCALAPPDATA%\\mdb-login\\sessions.",
    );
    let servers = term(
        "~/.local/state/mdb-login/servers/",
        "For each MongoDB server that was asked for its provider, a file with what it said and you accepted.",
    );
    let run = term(
        "$XDG_RUNTIME_DIR/mdb-login/exec-…/",
        "While `mdb-login exec` runs: the socket or token file of its program, open to you alone. Below \
         ~/.local/state/mdb-login/run where there is no such folder. Removed at the end of the program, and after a \
         `kill -9` by the next `mdb-login exec`; a process that the program leaves behind finds nothing there any more.",
    );
    match names {
        [] => vec![config, state, servers, run],
        ["exec"] => vec![config, state, servers, run],
        ["login" | "verify" | "doctor" | "token" | "status" | "logout"] => vec![config, state, servers],
        ["inspect"] => {
            let token = term(
                "TARGET",
                "A file that holds a token. A word is the name of a profile first and of a file second; with a `/` it is \
                 always a file. Drivers send such a file as it is, so a line break at its end breaks a rule; on stdin it is \
                 only remarked.",
            );
            vec![config, state, servers, token]
        }
        ["discover"] => vec![config],
        ["uri"] => vec![text("None is read or written.")],
        ["server", "keys"] => vec![config, state, servers],
        ["server", "check"] => vec![term(
            "/etc/mongod.conf",
            "Where the configuration of a server is on most systems. FILE is read, and nothing is written.",
        )],
        ["server"] => vec![text("Those of each command are on its page.")],
        ["profile", "trust"] => vec![config, servers],
        ["server", "config"] => vec![config],
        ["profile", ..] | ["setup"] => {
            let lock = term("~/.config/mdb-login/.config.lock", "Held while config.toml is changed; stays.");
            vec![config, lock]
        }
        ["completions"] => vec![config, text("See EXAMPLES for where shells look for scripts.")],
        _ => vec![term("~/.local/share/man/man1/", "Where man(1) looks for pages of your own, on most systems.")],
    }
}

pub fn security(names: &[&str]) -> Vec<Item> {
    match names {
        [] => program_security(),
        ["login"] => vec![
            text(
                "Sign in only where you started it yourself. The browser first opens an address on this machine \
                 (http://localhost:27097/start/…) and goes from there to your provider; look at the address bar before \
                 you type a password.",
            ),
            text(
                "Nobody who helps you needs the address that your browser ends on: never paste an address that begins \
                 with http://localhost into a chat, a form or a terminal. Never enter a code that somebody sent you, \
                 whoever it is; a code signs in whoever asked for it. mdb-login asks for neither.",
            ),
            text("Where tokens are kept, and what that is worth, is in mdb-login(1)."),
        ],
        ["token"] => vec![
            text(
                "What is printed is a live credential: whoever has it is you, for every server that takes it, until it \
                 expires. It cannot be called back. Hand it on through a pipe or with `--token-file`; an argument can \
                 be read by every user of the machine, and an environment variable by every program that is started \
                 with it. On a terminal it stays in the scrollback, which is why there is a warning.",
            ),
            text("The refresh token is never printed, by this or any other command."),
        ],
        ["exec"] => vec![
            text(
                "The program, and everything that it starts, can have tokens for as long as it runs: run what you trust. \
                 No token is in its arguments or in its environment. With mongosh the environment has a key for the \
                 socket, as mongosh's protocol wants it; it is of use to your own processes only, and dies with the run.",
            ),
            text(
                "mongosh hands a token only to hosts that it is told to trust (`--oidcTrustedEndpoint`), and only if the \
                 server names the provider that the session is with. With `ENVIRONMENT:k8s` no driver checks which host \
                 it sends the token to: use it for hosts that you trust.",
            ),
            text(
                "Where the program will connect is judged before anything is handed over, as far as its command line shows:                  connection strings, flags of MongoDB's own programs, mongosh's address without a scheme. A connection string                  inside of another argument, or the file of `--config`, cannot be judged, and takes `--trust-host` each time.                  Without TLS a driver would follow the server to other hosts, so such a string gets `directConnection=true`.",
            ),
        ],
        ["discover"] => vec![text(
            "What a server says of its provider is its word and no more. A server of somebody else's can name a provider \
             of somebody else's.",
        )],
        ["verify"] => vec![text(
            "A token goes to the drivers' own list of hosts (MongoDB's domains, this machine) and to hosts that you trust \
             by name, over a connection that is encrypted and to a server that has proved its name; loopback may be plain. \
             The hosts of a `mongodb+srv://` address are judged after DNS has named them.",
        )],
        ["server"] => vec![text("What each command does, and with which rights, is on its page.")],
        ["server", "keys"] => vec![
            text(
                "A token goes to hosts as it does with `verify`. The members of a replica set that a node names are judged by \
                 the same rules, and one that does not pass is left out: a server could otherwise name a host that collects \
                 tokens.",
            ),
            text(
                "Keys are public. Who may see them and have them loaded is decided by the server: the actions `oidcListKeys` \
                 and `oidcRefreshKeys`, which the role `clusterAdmin` has.",
            ),
            text(
                "`--refresh` is for a key that somebody else has got hold of, after the provider has withdrawn it. Until a node \
                 has loaded the keys anew, it takes tokens that are signed with the withdrawn one. A node that was not asked still \
                 does, so with `--refresh` and `--invalidate` that is a failure. Behind a mongos the shards are not asked.",
            ),
        ],
        ["server", "check"] => vec![text(
            "Of the file only what is about identity providers is printed: names, issuers, audiences. A client secret that \
             somebody has put there is named and not shown; the server has no use for one.",
        )],
        ["inspect"] => vec![
            text(
                "The token goes nowhere, and neither it nor its signature is printed; what stands in it is: names, groups, \
                 addresses. Its claims are those of whoever has made it until the rule `signature` says that it is the \
                 provider's.",
            ),
            text(
                "The provider's public keys are asked for at the issuer that the settings or the server's configuration name. \
                 One that only the token names is not gone to: a token could otherwise send you anywhere.",
            ),
        ],
        ["setup"] => vec![
            text(
                "The client is a public one: no secret is asked for, and none is written. Where a provider insists on one, the \
                 profile names the file that has it.",
            ),
            text(
                "The provider is asked for its metadata alone, over https, and nothing is written unless they name the very \
                 issuer that was given. Whether it is your company's, nobody but you can tell.",
            ),
            text(
                "With `--workload` no token is asked for, and no secret is read. The issuers of Google and GitHub are \
                 everybody's, and so are their audiences: whoever has a user in $external gets in, and nobody should by a claim \
                 that others can have, too.",
            ),
        ],
        ["server", "config"] => vec![text(
            "What is printed holds no secret. Names of groups and users become strings of the format and nothing else, and \
             characters that do not show are refused: what you read is what the server compares. Whoever can issue tokens of \
             that issuer for that audience decides who is who at the server.",
        )],
        ["uri"] => vec![text("What is printed holds no token. A user name is left out.")],
        ["doctor"] => vec![
            text(
                "The page and the object are made to be shown to others: they hold no token, no client secret, no password \
                 of a proxy and no name of yours; your home folder is `~`. They do name providers, servers and paths.",
            ),
            text(
                "No keyring is unlocked for it, no token is sent anywhere, no command for a secret or a token is run, and no \
                 platform is asked for one. A client's key is read, to see whether it is one and fits its certificate. A \
                 server is told the user name of its connection string, if there is one.",
            ),
        ],
        ["status"] => vec![text("Prints no tokens. It does print account names and providers.")],
        ["logout"] => vec![text(
            "An access token that a program has already is taken by servers until it expires: they look at the token, \
             and do not ask the provider. A provider without revocation, or one that could not be reached, keeps the \
             refresh token valid; nobody here has it any more. Both cases are said.",
        )],
        ["profile", ..] => vec![text(
            "Whoever can write to config.toml decides which provider you sign in to, and which programs are run \
             (`browser`, `client_secret_command`, `source_command`). So the file is refused if it belongs to somebody else or others may \
             write to it, and a key that would hold a secret is refused too.",
        )],
        ["completions"] => vec![text(
            "The script runs the `mdb-login` that is found on the PATH each time TAB is pressed. That reads config.toml \
             for the names of profiles, and neither asks the keyring nor the network.",
        )],
        _ => vec![text("The pages hold nothing of this machine or of its sessions.")],
    }
}

fn program_security() -> Vec<Item> {
    vec![
        text("Where the tokens are, and what that is worth:"),
        term(
            "the system's keyring",
            "The refresh token, and on macOS and Windows the access token. Secret Service on Linux (gnome-keyring, \
             KWallet, KeePassXC), the keychain on macOS, Credential Manager on Windows. As safe as your login: \
             encrypted on disk, and open to programs that run as you while it is unlocked.",
        ),
        term(
            "the Linux kernel keyring",
            "The access token, a program's too, until it expires; if the kernel does not take it, it goes next to the \
             refresh token. \
             Also the refresh token where there is no Secret Service, which is said at sign-in: in memory only, \
             readable by your processes and root, and kept until the machine restarts (in a container, until that \
             stops; before Linux 5.3, until your last process ends).",
        ),
        term(
            "a file",
            "Only with `--store file`. Mode 0600: nobody else can read it, but every program of yours and every backup \
             can.",
        ),
        text(
            "What a program proves itself with stays where it is: the secret, or the key, is read for each request, from a \
             file that nobody else can read or from a command, and is never an argument or a variable.",
        ),
        text(
            "A session is never moved to a weaker store behind your back: a keyring that is locked or does not answer \
             is an error, with exit status 8.",
        ),
        text(
            "Against other users of the machine: the provider's answer is of use to this program alone (PKCE, `state`, \
             `nonce`), the redirect port is held on every loopback address before anything is shown, and mdb-login \
             puts no secret into an argument or a variable of the programs that it starts (but the key that mongosh's \
             own protocol has there, see mdb-login-exec(1)). On Linux its memory is closed to other programs of yours, and to crash dumps.",
        ),
        text(
            "Against the network: https only (plain http for loopback alone), no redirects, and the provider's answers \
             are verified before they are kept. An answer that breaks a rule is an error, with exit status 10.",
        ),
        text(
            "What mdb-login cannot protect against: a program that runs as you, or root, can do what you can, and that \
             includes asking mdb-login for a token. A stolen access token works until it expires. Somebody who talks \
             you into signing in for them gets a session, however safely yours is kept. So:",
        ),
        point("Never paste the address that your browser ends on. Nobody needs it."),
        point("Never enter a code that somebody sent you. Start every sign-in yourself."),
        point(
            "On a machine without a browser, sign in through your own SSH connection (see EXAMPLES) rather than with a \
             device code, where you have the choice.",
        ),
        text("Nothing is reported to anybody, and no update is looked for."),
    ]
}

/// Examples that need a word of explanation; the plain ones are in each command's help.
pub fn more_examples(names: &[&str]) -> Vec<Item> {
    match names {
        [] => vec![
            text(
                "On a machine without a browser, reached by SSH: forward the redirect port, and open the printed \
                  address at home.",
            ),
            Item::Commands("ssh -L 27097:localhost:27097 ada@db-1.example.com\nmdb-login --no-browser".to_owned()),
            text("Where that cannot be done, with a code on any other device:"),
            Item::Commands("mdb-login --device".to_owned()),
            text("For a job that runs at night with a client secret of its own, and with a key at Entra ID:"),
            Item::Commands(
                "mdb-login profile set nightly kind=client-credentials \\\n    issuer=https://login.example.com \
                 client_id=0oa2 client_secret_file=/etc/nightly/secret \\\n    allowed_host=db.example.com\n\
                 mdb-login profile set azure kind=client-credentials \\\n    \
                 issuer=https://login.microsoftonline.com/TENANT/v2.0 \\\n    client_id=APP scope=DB-APP/.default \
                 \\\n    client_key_file=/etc/nightly/key.pem client_certificate_file=/etc/nightly/cert.pem\n\
                 mdb-login exec nightly -- mongodump --uri mongodb://db.example.com/?tls=true"
                    .to_owned(),
            ),
            text("Without a configuration file:"),
            Item::Commands(
                "export MDB_LOGIN_ISSUER=https://login.example.com MDB_LOGIN_CLIENT_ID=0oa1\nmdb-login".to_owned(),
            ),
            text("In a script, tell a missing sign-in from everything else:"),
            Item::Commands(
                "mdb-login token --no-input --token-file \"$dir/token\"\n\
                 case $? in\n\
                 0) ;;\n\
                 4) echo 'run: mdb-login' >&2; exit 4 ;;\n\
                 7) echo 'the provider is unavailable, try later' >&2; exit 7 ;;\n\
                 *) exit 1 ;;\n\
                 esac"
                    .to_owned(),
            ),
        ],
        ["exec"] => recipes(),
        ["inspect"] => rules_of_the_server(),
        ["setup"] => vec![
            text("From a provider that nobody has set up to people at the database:"),
            Item::Commands(
                "mdb-login setup entra\n\
                 mdb-login setup entra --tenant ID --client-id ID --profile prod\n\
                 mdb-login server config prod > oidc.conf\n\
                 mdb-login server check oidc.conf\n\
                 mdb-login server config prod --format roles --group GROUP --grant readWrite@app > roles.js\n\
                 mongosh mongodb://db.example.com roles.js\n\
                 mdb-login login prod\n\
                 mdb-login verify prod --uri mongodb://db.example.com/?tls=true"
                    .to_owned(),
            ),
            text("The same for a program, here one with a service account of Google's:"),
            Item::Commands(
                "mdb-login setup google --workload\n\
                 mdb-login setup google --workload --audience mongodb://orders --profile orders\n\
                 mdb-login server config orders > oidc.conf\n\
                 mdb-login server check oidc.conf\n\
                 mdb-login server config orders --format roles --user UNIQUE_ID --grant readWrite@app > users.js\n\
                 mongosh mongodb://db.example.com users.js\n\
                 mdb-login exec --profile orders -- mongodump --uri mongodb://db.example.com/?tls=true"
                    .to_owned(),
            ),
        ],
        _ => Vec::new(),
    }
}

/// What `inspect` looks at, by the names that its object has for them.
fn rules_of_the_server() -> Vec<Item> {
    vec![
        text(
            "The rules, as `--json` calls them, each with `result` (`ok`, `warn`, `fail`, or `skip` for what could not be \
             looked at), `message`, and `mend` where there is something to be done:",
        ),
        term("form, length", "A signed JWT and nothing else, of at most 16 KiB. No member may be there twice."),
        term(
            "type, algorithm, key_id",
            "The header: `typ` is `JWT` or absent; RS256, RS384, RS512, PS256, in the newest servers ES256 and ES384; a `kid`.",
        ),
        term(
            "issuer, audience, subject",
            "`iss` and `aud` as the server has them, byte for byte, and one audience only; a `sub`.",
        ),
        term("expiry, not_before", "`exp` without leeway, by the provider's clock; `nbf` with a minute's."),
        term(
            "key_set, key, signature",
            "The provider's keys as a server loads them, where one bad key spoils all; the one of the `kid`; and that it has signed.",
        ),
        term("principal, groups", "The claims that name the user and the roles: a text; a text or a list of texts."),
        term(
            "clock, lifetime, purpose",
            "Warnings only: this computer's clock, a life that is very short or very long, an ID token in an access token's place.",
        ),
        text(
            "The object also has `token` (`header` and `claims`, not verified), `provider` (which entry of the configuration \
             it is for), `user` and `roles` as MongoDB will call them, and `accepted`: true, false, or null where nobody can say.",
        ),
    ]
}

/// How each of MongoDB's tools is run with `exec`.
fn recipes() -> Vec<Item> {
    vec![
        text("By tool, with what each does for its token:"),
        term(
            "mdb-login exec -- mongosh URI",
            "mongosh 2.2.7 or later asks mdb-login for each token, and once more when the server refuses one as expired. \
             An older one ends with the words that it is too old: update it, since those before the end of 2024 do not \
             know `ENVIRONMENT:k8s` either. Later ones can be run with `--inject k8s`, too.",
        ),
        term(
            "mdb-login exec -- mongodump --uri URI --gzip",
            "So, too, mongorestore, mongoexport, mongoimport, mongostat and mongotop, 100.15 or later: they open the token \
             file for each sign-in, so a dump may last longer than a token. Earlier ones do not know `ENVIRONMENT:k8s`.",
        ),
        term(
            "mdb-login exec --uri URI -- mongodb-compass",
            "Compass reads the file as long as it runs. Paste what `mdb-login uri URI` prints; a connection that it \
             remembers works only when it has been started like this.",
        ),
        term(
            "mdb-login exec -- npx -y mongodb-mcp-server --connectionString URI",
            "As every program that takes its connection string as an argument and uses one of MongoDB's drivers, of 2025 or \
             later: the argument is completed, and the driver opens the file for each sign-in.",
        ),
        term(
            "mdb-login exec --uri URI -- sh -c './report.py \"$MDB_LOGIN_URI\"'",
            "A program that takes its connection string from elsewhere: give it to `exec`, and the program the complete one \
             that is in MDB_LOGIN_URI.",
        ),
        term(
            "mdb-login exec --trust-host db.example.com -- ./nightly",
            "A program that knows its connection string by itself. It has to ask for the token on its own, with \
             `authMechanism=MONGODB-OIDC` and `authMechanismProperties=ENVIRONMENT:k8s`; the host is named, because nobody \
             can see it here. One that has no driver opens the path in MDB_LOGIN_TOKEN_FILE, anew for each token.",
        ),
        text(
            "mongosh and the drivers for Python, Node.js and Rust have been run like this; the database tools, Compass and \
             the MCP server have not been yet.",
        ),
    ]
}

pub fn see_also(command: &Command, title: &str, names: &[&str]) -> Vec<Item> {
    let parents = (0..names.len()).map(|depth| {
        let parent = std::iter::once(&"mdb-login").chain(names.iter().take(depth)).copied();
        parent.collect::<Vec<_>>().join("-")
    });
    let children = command.get_subcommands().map(|child| format!("{title}-{}", child.get_name()));
    let pages: Vec<String> = parents.chain(children).map(|page| format!("{page}(1)")).collect();
    vec![Item::Text(pages.join(", "))]
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn terms(items: Vec<Item>) -> Vec<String> {
        let term = |item| if let Item::Term(term, _) = item { Some(term) } else { None };
        items.into_iter().filter_map(term).collect()
    }

    /// Exit codes are told in three places, and each has those of [`Kind`], in order, with the names that `--json` gives.
    #[test]
    fn help_readme_and_manual_have_every_exit_code_by_its_name() {
        let expected: Vec<(u8, &str)> = Kind::ALL.iter().map(|kind| (kind.exit_code(), kind.name())).collect();

        let help = crate::cli::Cli::command().get_after_long_help().unwrap().to_string();
        let (_, codes) = help.split_once("\nExit codes:\n").unwrap();
        let codes: Vec<&str> =
            codes.split("   ").flat_map(str::lines).map(str::trim).filter(|c| !c.is_empty()).collect();
        assert_eq!(codes.len(), 1 + expected.len(), "{codes:?}");
        for (code, (number, name)) in codes.iter().skip(1).zip(&expected) {
            let (shown, words) = code.split_once(' ').unwrap();
            assert!(shown == number.to_string() && words.contains(&name.replace('_', " ")), "{code}: {number} {name}");
        }

        let readme = include_str!("../../../README.md");
        let (_, table) = readme.split_once("\n| exit code | `error.code` in `--json` | meaning |\n").unwrap();
        let row = |line: &str| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            Some((cells.get(1)?.parse::<u8>().ok()?, cells.get(2)?.trim_matches('`').to_owned()))
        };
        let rows: Vec<(u8, String)> = table.lines().take_while(|line| line.starts_with('|')).filter_map(row).collect();
        assert_eq!(rows[0], (0, String::new()));
        assert_eq!(rows[1..], expected.iter().map(|(code, name)| (*code, (*name).to_owned())).collect::<Vec<_>>());

        let page = exit_status(&[]);
        let meanings = page.iter().skip(1).filter_map(|item| {
            let Item::Term(code, text) = item else { return None };
            let (_, name) = text.rsplit_once(" (`")?;
            Some((code.parse::<u8>().ok()?, name.strip_suffix("`)")?))
        });
        assert_eq!(meanings.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_program_s_page_has_every_variable() {
        let variables = terms(environment(&[]));
        for setting in schema::ALL {
            assert!(variables.iter().any(|variable| variable == setting.env), "{setting:?}");
        }
    }

    #[test]
    fn kinds_are_listed_once_each() {
        let mut codes: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
        assert!(codes.is_sorted());
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
    }
}
