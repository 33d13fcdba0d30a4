//! A guided tour: a strict OpenID provider and a MongoDB server on loopback, the real program, a person who signs in, and
//! a program of that person's that works at the server.
//!
//! `cargo run --release --example demo` needs the Rust toolchain and nothing else. With a desktop it opens the real
//! browser; elsewhere, or with `-- --play`, it plays the person itself and says so. What it keeps goes into a temporary
//! folder; ends with 1 if anything is not as it should be.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};

use support::browser::Browser;
use support::cmd::{Outcome, Sandbox, beside_this_example, start_url};
use support::idp::{CLIENT_ID, Endpoint, Idp, Rotation, jwt};
use support::mongod::Mongod;

/// How long an access token lives here, so that the tour can show an expiry. Usual is an hour.
const LIFETIME: Duration = Duration::from_secs(12);

/// Who ada is at the server: its prefix for this provider, and her subject there.
const USER: &str = "test/00u-ada";

/// With this and a connection string the tour is the program that `exec` runs in it.
const AS_PROGRAM: &str = "--as-program";

/// What the program calls the file when it names it.
const TOKEN_FILE: &str = "token file";

type Step = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [AS_PROGRAM, uri] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return match program(uri) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the program failed: {error}");
                ExitCode::FAILURE
            }
        };
    }
    match tour() {
        Ok(took) => {
            println!("\nThat was everything, in {} seconds.", took.as_secs());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("\nThe tour ends here, because {why}.");
            ExitCode::FAILURE
        }
    }
}

/// Gives how long the tour took, building aside.
fn tour() -> Result<Duration, String> {
    let program = beside_this_example();
    build(&program)?;
    let started = Instant::now();
    let idp = Idp::start_with(|behaviour| {
        behaviour.access_token_lifetime = LIFETIME;
        behaviour.rotation = Rotation::Strict;
    });
    let server = Mongod::start(&idp);
    let place = Place::look();
    let tour = Tour { sandbox: place.sandbox(&program), idp, server, plays: place.plays };

    println!("A tour of mdb-login");
    say(&format!(
        "On {} there is an OpenID provider now. It lives in this process, is strict, and gives out access tokens that \
         last {} seconds and refresh tokens that may be used once.",
        tour.idp.issuer(),
        LIFETIME.as_secs()
    ));
    say(&format!(
        "On {} there is a MongoDB server that trusts it, in this process, too. It judges tokens as the real one does, and \
         has just enough of a database to be used.",
        tour.server.uri()
    ));
    say(&format!("The program is the real one: {}", program.display()));
    say(place.store_words);
    say(place.person_words);

    let result = tour.walk();
    if result.is_err() && place.keyring {
        // A temporary folder goes by itself; what is in the keyring does not.
        let _ = tour.sandbox.run(["logout"]);
    }
    result.map(|()| started.elapsed())
}

struct Tour {
    sandbox: Sandbox,
    idp: Idp,
    server: Mongod,
    plays: bool,
}

impl Tour {
    fn walk(&self) -> Step {
        self.profile()?;
        self.nobody_is_signed_in()?;
        self.sign_in()?;
        self.status()?;
        self.token()?;
        self.renewal()?;
        self.discovery()?;
        self.verification()?;
        self.connection()?;
        self.sign_out()?;
        self.count();
        Ok(())
    }

    fn profile(&self) -> Step {
        head("Say once where to sign in");
        say("Your company's provider, and the name under which it knows MongoDB's tools:");
        let issuer = format!("issuer={}", self.idp.issuer());
        let client_id = format!("client_id={CLIENT_ID}");
        self.run(&["profile", "set", "demo", &issuer, &client_id], 0).map(drop)
    }

    fn nobody_is_signed_in(&self) -> Step {
        head("Nobody is signed in yet");
        say(
            "A script that asks for a token now is told so at once, with the command to type and an exit code of its own.",
        );
        self.run(&["token"], 4).map(drop)
    }

    fn sign_in(&self) -> Step {
        head("Sign in");
        if self.plays {
            say("The program prints a short local address. Your browser would open there; the tour goes there itself.");
            self.sign_in_as_the_person()?;
        } else {
            say("Your browser opens. Choose a person and press \"Sign in\".");
            command_line(&["login"]);
            // The terminal is the program's own for once, so that everything looks as it will later.
            let status = self
                .sandbox
                .command(["login"])
                .stdin(Stdio::inherit())
                .status()
                .map_err(|error| format!("the program does not start: {error}"))?;
            check(status.success(), &format!("the sign-in ended with {status}"))?;
        }
        check(self.idp.requests(Endpoint::Token) == 1, "the code was not exchanged exactly once")?;
        check(self.idp.families_alive() == 1, "there is no refresh token")
    }

    fn sign_in_as_the_person(&self) -> Step {
        command_line(&["login"]);
        let mut running = self.sandbox.spawn(["login"]);
        let mut last_page = None;
        while let Some(line) = running.next_line() {
            println!("   │ {line}");
            if last_page.is_none()
                && let Some(url) = start_url(&line)
            {
                let visit = Browser::new().sign_in(&url, "ada");
                if let Some(failure) = visit.failure {
                    return Err(format!("the browser got nowhere: {failure}"));
                }
                last_page = Some((visit.url().clone(), visit.text()));
            }
        }
        let outcome = running.wait();
        check(outcome.code() == Some(0), &format!("the sign-in failed: {outcome:?}"))?;
        let (url, text) = last_page.ok_or("the program printed no address")?;
        say("The tour was sent on to the provider, chose ada@example.com, pressed \"Sign in\", and was sent back.");
        say(&format!("The browser's last page says: \"{text}\""));
        check(url.query().is_none(), "the address bar still shows the code")?;
        say(&format!("Its address holds no code and no state: {}", url.path()));
        Ok(())
    }

    fn status(&self) -> Step {
        head("Who am I?");
        let outcome = self.run(&["status"], 0)?;
        check(outcome.stdout().contains(self.idp.issuer()), "the status does not name the provider")
    }

    fn token(&self) -> Step {
        head("A token for MongoDB");
        say("What a driver, a script or a shell gets. The tour shows what is in it, not the token itself:");
        let before = self.idp.log().len();
        command_line(&["token"]);
        let token = self.token_of()?;
        println!("   │ header  {}", jwt::header(&token));
        println!("   │ claims  {}", jwt::claims(&token));
        let started = Instant::now();
        let times = 20;
        for _ in 0..times {
            check(self.token_of()? == token, "the token changed while it was still good")?;
        }
        let each = started.elapsed().as_secs_f64() * 1000.0 / f64::from(times);
        say(&format!("{times} more calls: the same token each time, {each:.1} ms a call with everything around it."));
        let asked = self.idp.log().len() - before;
        say(&format!("The provider was asked {asked} times for them."));
        check(asked == 0, "a cached token must cost the provider nothing")
    }

    fn renewal(&self) -> Step {
        head("The token expires, and nobody notices");
        let old = self.token_of()?;
        let left = jwt::claims(&old)["exp"].as_u64().unwrap_or_default().saturating_sub(now());
        say(&format!("Waiting {} seconds until it has expired. Then eight programs ask at the same time:", left + 1));
        std::thread::sleep(Duration::from_secs(left + 1));
        let before = self.idp.grants("refresh_token");
        let running: Vec<_> = (0..8).map(|_| self.sandbox.spawn(["token"])).collect();
        let mut tokens = Vec::new();
        for program in running {
            let outcome = program.wait();
            check(outcome.code() == Some(0), &format!("one of them failed: {outcome:?}"))?;
            tokens.push(outcome.stdout());
        }
        tokens.dedup();
        let refreshes = self.idp.grants("refresh_token") - before;
        say(&format!("They got {} new token between them, with {refreshes} request to the provider.", tokens.len()));
        say(
            "More than one would have cost the session: this provider takes a second use of a refresh token for theft.",
        );
        check(tokens.len() == 1 && tokens[0] != old, "they did not all get the same new token")?;
        check(refreshes == 1, "there was not exactly one refresh")?;
        check(self.idp.counters().reuse_detected == 0, "the provider saw a refresh token twice")
    }

    fn discovery(&self) -> Step {
        head("Ask the database");
        say("The profile was typed in. It need not be: a MongoDB server says who lets people in.");
        let outcome = self.run(&["discover", &self.server.uri()], 0)?;
        check(outcome.stdout().contains(self.idp.issuer()), "the server's provider was not shown")?;
        check(self.server.tokens().is_empty(), "the server was sent a token, and was only to be asked")
    }

    fn verification(&self) -> Step {
        head("Sign in at the database");
        say("Would the server take the token, and who is its owner there? The official driver tries it:");
        let outcome = self.run(&["verify", "demo", "--uri", &self.server.uri()], 0)?;
        check(outcome.stdout().contains(USER), "the server has taken the token for somebody else's")
    }

    fn connection(&self) -> Step {
        head("Run a program at the database");
        say(
            "It uses MongoDB's driver and knows nothing of mdb-login. Its connection string is completed on the way, and \
             the driver reads its token from a file that is kept fresh while the program runs:",
        );
        let program = std::env::current_exe().map_err(|error| format!("the tour cannot find itself: {error}"))?;
        let program = program.to_str().ok_or("the tour is in a folder whose name is not UTF-8")?;
        let outcome = self.run(&["exec", "demo", "--", program, AS_PROGRAM, &self.server.uri()], 0)?;
        check(outcome.stdout().contains(USER), "the program was somebody else at the server")?;
        check(self.server.refusals().is_empty(), "the server has refused a token")?;
        let said = outcome.stdout();
        let file =
            said.lines().find_map(|line| line.strip_prefix(TOKEN_FILE)).ok_or("the program found no token file")?;
        check(!Path::new(file.trim()).exists(), "the token's file is still there")?;
        say("The program has ended, and the file with its token is gone.");
        if is_on_path("mongosh") {
            say("mongosh is on your PATH. At a server of your own, the same is: mdb-login exec -- mongosh mongodb://…");
        }
        Ok(())
    }

    fn sign_out(&self) -> Step {
        head("Sign out");
        self.run(&["logout"], 0)?;
        check(self.idp.families_alive() == 0, "the provider still honours the refresh token")?;
        say("The provider has revoked the refresh token, and here it is forgotten:");
        self.run(&["token"], 4)?;
        let secrets = self.idp.secrets();
        let kept = self.sandbox.files().into_iter().find(|(_, bytes)| {
            let text = String::from_utf8_lossy(bytes);
            secrets.iter().any(|secret| text.contains(secret.as_str()))
        });
        match kept {
            None => {
                say("No file that the program has written holds any token or code any more.");
                Ok(())
            }
            Some((path, _)) => Err(format!("there is a token left in {}", path.display())),
        }
    }

    fn count(&self) {
        head("What the provider saw");
        for (name, endpoint) in [
            ("discovery", Endpoint::Discovery),
            ("keys", Endpoint::Jwks),
            ("authorization", Endpoint::Authorization),
            ("token", Endpoint::Token),
            ("revocation", Endpoint::Revocation),
        ] {
            println!("   {name:<14} {:>2}", self.idp.requests(endpoint));
        }
        head("What the server saw");
        println!("   {:<14} {:>2}", "tokens", self.server.tokens().len());
        println!("   {:<14} {:>2}", "refused", self.server.refusals().len());
    }

    /// Runs the program and shows what it printed.
    fn run(&self, arguments: &[&str], code: i32) -> Result<Outcome, String> {
        command_line(arguments);
        let outcome = self.sandbox.run(arguments);
        for line in outcome.stderr().lines().chain(outcome.stdout().lines()) {
            println!("   │ {line}");
        }
        let got = outcome.code();
        println!("   └ exit code {}", got.map_or("none".to_owned(), |code| code.to_string()));
        check(got == Some(code), &format!("`{}` should have ended with {code}", arguments.join(" ")))?;
        Ok(outcome)
    }

    fn token_of(&self) -> Result<String, String> {
        let outcome = self.sandbox.run(["token"]);
        check(outcome.code() == Some(0), &format!("`token` failed: {outcome:?}"))?;
        // MongoDB's drivers send a line break along, and are refused.
        check(!outcome.stdout.ends_with(b"\n"), "a token for a pipe ends with a newline")?;
        Ok(outcome.stdout())
    }
}

/// What this machine has: a browser that a person can see, a keyring that is open.
struct Place {
    plays: bool,
    keyring: bool,
    person_words: &'static str,
    store_words: &'static str,
}

impl Place {
    fn look() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let desktop = cfg!(any(windows, target_os = "macos")) || set("DISPLAY") || set("WAYLAND_DISPLAY");
        let watched = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let asked = std::env::args().any(|argument| argument == "--play");
        let keyring = has_keyring();
        Self {
            plays: asked || !desktop || !watched || set("CI"),
            keyring,
            person_words: match (asked, desktop && watched) {
                (true, _) => "You asked the tour to play the person who signs in.",
                (false, true) => "You are the person who signs in: there is a desktop here.",
                (false, false) => "There is no desktop here, so the tour plays the person who signs in.",
            },
            store_words: if keyring {
                "The refresh token goes where it belongs, into the keyring, and is removed in the end."
            } else {
                "There is no open keyring here, so the refresh token goes into a file in a temporary folder \
                 (`MDB_LOGIN_STORE=file`)."
            },
        }
    }

    fn sandbox(&self, program: &Path) -> Sandbox {
        let mut sandbox = Sandbox::of(program.to_owned());
        sandbox
            // Any free port: the usual 27097 may be in use by somebody who is signing in for real.
            .env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect");
        if !self.plays {
            sandbox.unset("MDB_LOGIN_BROWSER");
        }
        if self.keyring {
            sandbox.env("MDB_LOGIN_STORE", "keyring");
        }
        if !self.plays || self.keyring {
            // What it takes to reach the desktop's browser and keyring, and nothing that is about mdb-login, or about
            // the clouds that `exec` keeps tokens from.
            for (name, value) in std::env::vars_os() {
                if !["MDB_LOGIN_", "AWS_", "AZURE_"].iter().any(|of| name.to_string_lossy().starts_with(of)) {
                    sandbox.env(name, value);
                }
            }
        }
        sandbox
    }
}

/// Whether there is a keyring that opens without a question. macOS and Windows always have one.
#[cfg(not(target_os = "linux"))]
fn has_keyring() -> bool {
    true
}

#[cfg(target_os = "linux")]
fn has_keyring() -> bool {
    // Without an address the library would start a bus of its own.
    if !std::env::var("DBUS_SESSION_BUS_ADDRESS").is_ok_and(|address| address.starts_with("unix:")) {
        return false;
    }
    let unlocked = || {
        let bus = zbus::blocking::Connection::session().ok()?;
        let owner = zbus::blocking::fdo::DBusProxy::new(&bus).ok()?;
        let service = "org.freedesktop.secrets";
        if !owner.name_has_owner(service.try_into().ok()?).ok()? {
            return Some(false);
        }
        let path = "/org/freedesktop/secrets/aliases/default";
        let collection = zbus::blocking::Proxy::new(&bus, service, path, "org.freedesktop.Secret.Collection").ok()?;
        Some(!collection.get_property::<bool>("Locked").ok()?)
    };
    // On a thread of its own: a service that does not answer must not hold up the tour.
    let (send, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || send.send(unlocked()));
    answer.recv_timeout(Duration::from_secs(3)) == Ok(Some(true))
}

/// Builds the program as this example was built. Quick if nothing has changed; without it the tour might show
/// yesterday's program.
fn build(program: &Path) -> Step {
    let Some(cargo) = std::env::var_os("CARGO") else {
        return check(program.is_file(), "the program is not built: run `cargo run --release --example demo`");
    };
    let profile = program.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("debug");
    let mut command = Command::new(cargo);
    command.args(["build", "--bins", "--manifest-path"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    if profile != "debug" {
        command.args(["--profile", profile]);
    }
    let built = command.status().is_ok_and(|status| status.success());
    check(built && program.is_file(), "the program cannot be built")
}

/// A program like those that people write for MongoDB: it is given a connection string, and works.
fn program(uri: &str) -> Result<(), Box<dyn Error>> {
    println!("connection string  {uri}");
    let mut variables =
        vec!["MDB_LOGIN_URI", "MDB_LOGIN_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"];
    variables.retain(|name| std::env::var_os(name).is_some());
    println!("variables          {}", variables.join(", "));
    let file = std::env::var("MDB_LOGIN_TOKEN_FILE")?;
    println!("{TOKEN_FILE}         {file}");
    println!("token in it        {} bytes", std::fs::read(&file)?.len());

    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let client = Client::with_uri_str(uri).await?;
        let status = client.database("admin").run_command(doc! { "connectionStatus": 1 }).await?;
        let user = status.get_document("authInfo")?.get_array("authenticatedUsers")?[0].as_document();
        println!("at the server I am {}", user.ok_or("nobody is signed in")?.get_str("user")?);
        let orders = client.database("shop").collection::<Document>("orders");
        orders.insert_one(doc! { "item": "tea" }).await?;
        println!("orders in the shop {}", orders.count_documents(doc! {}).await?);
        Ok(())
    })
}

fn is_on_path(program: &str) -> bool {
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(&name).is_file()))
}

fn check(holds: bool, otherwise: &str) -> Step {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

fn head(text: &str) {
    println!("\n■ {text}");
}

/// Prints a paragraph, wrapped for narrow terminals.
fn say(text: &str) {
    let mut line = String::from("  ");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > 96 && !line.trim().is_empty() {
            println!("{line}");
            line = String::from("  ");
        }
        line.push(' ');
        line.push_str(word);
    }
    println!("{line}");
}

fn command_line(arguments: &[&str]) {
    println!("\n   $ mdb-login {}", arguments.join(" "));
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
