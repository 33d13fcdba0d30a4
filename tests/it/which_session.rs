//! Which session a command means: what a connection string says of it, and what is said where nothing does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::signed_in::sign_in;
use crate::support::cmd::{Outcome, Sandbox, program};
use crate::support::idp::{CLIENT_ID, Idp, SignIn};
use crate::support::mongod::Mongod;

/// Two providers, ada signed in at both, and three servers. Nobody has accepted what `unknown` and `others` say.
struct Setting {
    company: Idp,
    other: Idp,
    known: Mongod,
    unknown: Mongod,
    others: Mongod,
    sandbox: Sandbox,
}

impl Setting {
    fn new() -> Self {
        let idp = || Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()));
        let (company, other) = (idp(), idp());
        let mut sandbox = Sandbox::new();
        sandbox.env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect");
        let (known, unknown, others) = (Mongod::start(&company), Mongod::start(&company), Mongod::start(&other));
        for (server, name) in [(&known, "[KNOWN]"), (&unknown, "[UNKNOWN]"), (&others, "[OTHERS]")] {
            sandbox.hide(&server.address().to_string(), name);
        }
        sandbox.hide(company.issuer(), "[COMPANY]").hide(other.issuer(), "[OTHER]");
        sign_in(&sandbox, &[&known.uri(), "--trust-server"]);
        sign_in(&sandbox, &["--issuer", other.issuer(), "--client-id", CLIENT_ID]);
        Self { company, other, known, unknown, others, sandbox }
    }

    /// Whose token goes out by `verify` and by `exec` for this server, however the connection string is typed; or with
    /// which words none does.
    #[track_caller]
    fn meant(&self, server: &Mongod, flags: &[&str]) -> String {
        let uri = server.uri();
        let show = ["--", "sh", "-c", "cat \"$OIDC_TOKEN_FILE\"", "sh"];
        let of_exec = [
            [&["exec"], flags, &show, &[&uri]].concat(),
            [&["exec", "--uri", &uri], flags, &show].concat(),
            [&["exec", &uri], flags, &show].concat(),
        ];
        let mut meant: Vec<String> = of_exec
            // TARGET would be a second profile.
            .into_iter()
            .filter(|line| line[1] != uri || !flags.contains(&"--profile"))
            .map(|line| self.whose(&self.sandbox.run(line), |outcome| outcome.stdout()))
            .collect();
        let before = server.tokens().len();
        let verified = self.sandbox.run([&["verify", "--uri", &uri], flags].concat());
        let sent = |_: &Outcome| server.tokens().split_off(before).pop().unwrap_or_default();
        // Refused or not: the token of this session has been sent.
        meant.push(self.whose(&verified, sent));
        assert!(meant.iter().all(|one| *one == meant[0]), "{meant:#?}");
        meant.swap_remove(0)
    }

    fn whose(&self, outcome: &Outcome, token: impl Fn(&Outcome) -> String) -> String {
        if !matches!(outcome.code(), Some(0 | 5)) {
            let first = outcome.text().lines().find(|line| line.starts_with("error: "));
            return format!("exit {:?}, {}", outcome.code().unwrap(), first.unwrap_or_default());
        }
        let issuer = issuer(&token(outcome));
        match issuer {
            issuer if issuer == self.company.issuer() => "company".to_owned(),
            issuer if issuer == self.other.issuer() => "other".to_owned(),
            issuer => panic!("{issuer}: {outcome:?}"),
        }
    }

    fn configure(&self, profiles: &str) {
        self.sandbox.write_config(
            &profiles.replace("[COMPANY]", self.company.issuer()).replace("[OTHER]", self.other.issuer()),
        );
    }
}

fn issuer(token: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap_or_default()).unwrap_or_default();
    serde_json::from_slice::<Value>(&claims).unwrap_or_default()["iss"].as_str().unwrap_or_default().to_owned()
}

const COMPANY: &str = "issuer = '[COMPANY]'\nclient_id = 'mongodb-tools'\n";
const OTHER: &str = "issuer = '[OTHER]'\nclient_id = 'mongodb-tools'\n";

/// `verify URI` and `exec -- PROGRAM URI` are about one session, and `mdb-login URI` before is enough for both.
#[test]
fn a_connection_string_means_one_session_to_verify_and_exec() {
    let mut setting = Setting::new();
    let nobody = "exit 4, error: nobody has signed in for `mongodb://[UNKNOWN]` yet";
    let other = setting.other.issuer().to_owned();
    let flags = ["--issuer", &other, "--client-id", CLIENT_ID];

    assert_eq!(setting.meant(&setting.known, &[]), "company");
    assert_eq!(setting.meant(&setting.unknown, &[]), nobody);
    assert_eq!(setting.meant(&setting.known, &flags), "other");
    assert_eq!(setting.meant(&setting.unknown, &flags), "other");

    // The profile that nobody has named: for servers that nobody has accepted.
    setting.configure(&format!("[profile.prod]\n{COMPANY}"));
    assert_eq!(setting.meant(&setting.unknown, &[]), "company");
    assert_eq!(setting.meant(&setting.others, &[]), "company");
    setting.configure(&format!("[profile.prod]\n{OTHER}"));
    assert_eq!(setting.meant(&setting.known, &[]), "company");
    assert_eq!(setting.meant(&setting.unknown, &[]), "other");
    assert_eq!(setting.meant(&setting.known, &["--profile", "prod"]), "other");
    assert_eq!(setting.meant(&setting.known, &flags), "other");
    setting.configure(&format!("[profile.prod]\nuri = '{}'\n", setting.known.uri()));
    assert_eq!(setting.meant(&setting.unknown, &[]), "company");
    setting.configure("[profile.prod]\nissuer = 'https://idp.example.com'\nclient_id = 'x'\n");
    assert_eq!(setting.meant(&setting.unknown, &[]), "exit 4, error: not signed in to profile `prod`");
    // Half of a profile is none.
    setting.configure("[profile.prod]\nissuer = '[COMPANY]'\n");
    assert_eq!(setting.meant(&setting.unknown, &[]), nobody);
    setting.configure(&format!("[profile.a]\n{COMPANY}[profile.b]\n{OTHER}"));
    assert_eq!(setting.meant(&setting.unknown, &[]), nobody);
    assert_eq!(setting.meant(&setting.unknown, &["--profile", "b"]), "other");

    setting.configure(&format!("[profile.a]\n{COMPANY}"));
    setting.sandbox.env("MDB_LOGIN_ISSUER", &other).env("MDB_LOGIN_CLIENT_ID", CLIENT_ID);
    assert_eq!(setting.meant(&setting.known, &[]), "other");
    assert_eq!(setting.meant(&setting.unknown, &[]), "other");
}

/// What the person typed for one server must not be sent to another on the way.
#[test]
fn two_connection_strings_of_different_sessions_are_refused() {
    let setting = Setting::new();
    let (known, unknown, others) = (setting.known.uri(), setting.unknown.uri(), setting.others.uri());
    let run = |line: &[&str]| setting.sandbox.run([&["exec"], line].concat());
    // Of one that nobody has accepted nothing is known.
    run(&["--", "true", &known, &unknown, &others]).exits(0);
    setting.sandbox.run(["profile", "trust", &others, "--yes"]).exits(0);
    run(&["--", "touch", "started", &known, &unknown, &others]).is("
        exit 2
        --- stderr
        error: the connection strings mean different sessions, and a program has the tokens of one
          caused by: `mongodb://[OTHERS]` takes those of `[OTHER]`, and the first connection string means `[COMPANY]`
        hint: run the program once for each
    ");
    run(&["--", "true", &others, &others]).exits(0);
    // Who names the session has said it.
    run(&["--uri", &known, "--", "true", &known, &others]).exits(0);
    assert!(!setting.sandbox.home().join("started").exists());
}

#[test]
fn an_mdb_login_inside_means_the_session_of_the_program() {
    let setting = Setting::new();
    setting.configure(&format!("[profile.prod]\n{OTHER}"));
    let program = program();
    let inside = |server: &Mongod| {
        let script = ["exec", "--", "sh", "-c", "\"$0\" token", program.to_str().unwrap(), &server.uri()];
        issuer(&setting.sandbox.run(script).exits(0).stdout())
    };
    assert_eq!(inside(&setting.known), setting.company.issuer());
    assert_eq!(inside(&setting.unknown), setting.other.issuer());
}

/// Runs the commands of a message's hints.
fn hinted(outcome: &Outcome) -> Vec<String> {
    let stderr = outcome.stderr();
    let hints = stderr.lines().filter(|line| line.starts_with("hint: "));
    hints.map(|line| line.split("run `").nth(1).unwrap().trim_end_matches('`').to_owned()).collect()
}

fn typed(sandbox: &Sandbox, line: &str) -> Outcome {
    let words = shlex::split(line).unwrap();
    assert_eq!(words[0], "mdb-login");
    sandbox.run(&words[1..])
}

#[test]
fn who_has_signed_in_through_a_server_is_told_what_to_type() {
    let idp = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()));
    let server = Mongod::start(&idp);
    let mut sandbox = Sandbox::new();
    sandbox.env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect");
    sandbox.hide(&server.address().to_string(), "[SERVER]");
    let uri = format!("mongodb://ada%40example.com@{}/?appName=x&retryReads=true", server.address());
    sandbox.run(["token"]).exits(3).says("no issuer and no client id are set");
    sign_in(&sandbox, &[&uri, "--trust-server"]);

    // Used without a word, its session would be another the day that another server is accepted.
    sandbox.run(["token"]).is("
        exit 3
        --- stderr
        error: nothing says which session is meant: no server, no issuer and no client id are set
        hint: for `mongodb://[SERVER]`, which you have accepted: run `mdb-login token 'mongodb://ada%40example.com@[SERVER]/?appName=x&retryReads=true'`
        hint: to leave it out from now on: run `mdb-login profile set prod 'uri=mongodb://ada%40example.com@[SERVER]/?appName=x&retryReads=true'`
    ");
    let object: Value = serde_json::from_str(&sandbox.run(["status", "--json"]).exits(3).stderr()).unwrap();
    assert!(object["error"]["hints"][0].as_str().unwrap().contains("`mdb-login status 'mongodb://ada"), "{object}");

    // Each command's first hint is what was meant.
    for command in ["token", "status", "verify"] {
        typed(&sandbox, &hinted(&sandbox.run([command]).exits(3))[0]).exits(0);
    }
    let login = &hinted(&sandbox.run(["login", "--no-browser"]).exits(3))[0];
    sign_in(&sandbox, &[&shlex::split(login).unwrap()[2]]);
    let exec = &hinted(&sandbox.run(["exec", "--", "true"]).exits(3))[0];
    typed(&sandbox, &exec.replace('…', "true")).exits(0);

    // The last hint makes it the usual session, of a profile that has nothing else, too.
    sandbox.write_config("[profile.mine]\n");
    let outcome = sandbox.run(["token"]).exits(3).says("no issuer and no client id are set in profile `mine`");
    typed(&sandbox, hinted(&outcome).last().unwrap()).exits(0);
    sandbox.run(["token"]).exits(0);
    std::fs::remove_file(sandbox.config_dir().join("config.toml")).unwrap();
    typed(&sandbox, hinted(&sandbox.run(["token"]).exits(3)).last().unwrap()).exits(0);
    for command in ["token", "status", "verify", "logout"] {
        sandbox.run([command]).exits(0);
    }
}

#[test]
fn of_several_servers_the_newest_are_named_and_several_profiles_come_first() {
    let idp = Idp::start();
    let servers: Vec<Mongod> = (0..4).map(|_| Mongod::start(&idp)).collect();
    let mut sandbox = Sandbox::new();
    for (number, server) in servers.iter().enumerate() {
        sandbox.hide(&server.address().to_string(), &format!("[SERVER {number}]"));
        sandbox.run(["profile", "trust", &server.uri(), "--yes"]).exits(0);
    }
    // A day between one and the next.
    for (path, bytes) in sandbox.files() {
        let mut accepted: Value = serde_json::from_slice(&bytes).unwrap();
        let number = servers.iter().position(|server| accepted["uri"] == server.uri()).unwrap();
        accepted["accepted_at"] = (86_400 * number).into();
        std::fs::write(path, accepted.to_string()).unwrap();
    }
    sandbox.run(["logout"]).is("
        exit 3
        --- stderr
        error: nothing says which session is meant: no server, no issuer and no client id are set
        hint: for `mongodb://[SERVER 3]`, which you have accepted: run `mdb-login logout mongodb://[SERVER 3]/`
        hint: for `mongodb://[SERVER 2]`, which you have accepted: run `mdb-login logout mongodb://[SERVER 2]/`
        hint: for `mongodb://[SERVER 1]`, which you have accepted: run `mdb-login logout mongodb://[SERVER 1]/`
        hint: to leave it out from now on: run `mdb-login profile set prod 'uri=mongodb://[SERVER 3]/'`
    ");
    sandbox.write_config("[profile.a]\n[profile.b]\n");
    sandbox.run(["token"]).exits(3).says("there are several profiles, and none of them is the default");
}

#[test]
fn a_host_that_is_typed_in_a_profile_s_place_is_seen_for_what_it_is() {
    let sandbox = Sandbox::new();
    sandbox.run(["verify", "db.example.com"]).is("
        exit 3
        --- stderr
        error: there is no profile called `db.example.com`
        hint: did you mean `mongodb://db.example.com`?
    ");
    for (target, uri) in [
        ("db.example.com:27018", "mongodb://db.example.com:27018"),
        ("localhost", "mongodb://localhost"),
        ("[::1]:27017", "'mongodb://[::1]:27017'"),
    ] {
        for command in ["verify", "token", "discover", "login"] {
            let outcome = sandbox.run([command, target]);
            assert!(matches!(outcome.code(), Some(2 | 3)), "{outcome:?}");
            outcome.says(&format!("hint: did you mean `{uri}`?"));
        }
    }
    // A profile that was meant is likelier than a host of its name.
    sandbox.write_config("[profile.'db.example.com']\n");
    let outcome = sandbox.run(["token", "db.exmple.com"]).exits(3).says("did you mean the profile `db.example.com`?");
    assert!(!outcome.text().contains("mongodb://"), "{outcome:?}");
    let outcome = sandbox.run(["verify", "prdo"]).exits(3);
    assert!(!outcome.text().contains("mongodb://"), "{outcome:?}");
}
