//! A guided tour: a strict OpenID provider on loopback, the real program, and a person who signs in.
//!
//! `cargo run --release --example demo` needs the Rust toolchain and nothing else. With a desktop it opens the real
//! browser; elsewhere, or with `-- --play`, it plays the person itself and says so. What it keeps goes into a temporary
//! folder; ends with 1 if anything is not as it should be.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use support::browser::Browser;
use support::cmd::{Outcome, Sandbox, beside_this_example, start_url};
use support::idp::{CLIENT_ID, Endpoint, Idp, Rotation, jwt};

/// How long an access token lives here, so that the tour can show an expiry. Usual is an hour.
const LIFETIME: Duration = Duration::from_secs(12);

type Step = Result<(), String>;

fn main() -> ExitCode {
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
    let place = Place::look();
    let tour = Tour { sandbox: place.sandbox(&program), idp, plays: place.plays };

    println!("A tour of mdb-login");
    say(&format!(
        "On {} there is an OpenID provider now. It lives in this process, is strict, and gives out access tokens that \
         last {} seconds and refresh tokens that may be used once.",
        tour.idp.issuer(),
        LIFETIME.as_secs()
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
            // What it takes to reach the desktop's browser and keyring, and nothing that is about mdb-login.
            for (name, value) in std::env::vars_os() {
                if !name.to_string_lossy().starts_with("MDB_LOGIN_") {
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
