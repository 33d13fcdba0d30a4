//! Programs that a platform vouches for: the real binary against strict peers of Azure, Google, Kubernetes and GitHub on
//! loopback, which hand out tokens that the test provider has signed.
//!
//! Each file has what its platform refuses and what can be wrong on this side; [`troubles`] is what can go wrong with any
//! of them.

mod azure;
mod azure_arc;
mod github;
mod google;
mod kubernetes;
mod mongodb;
mod peers;
mod readme;
mod secrecy;
mod set_up;

use std::time::Duration;

use serde_json::{Value, json};

use crate::cases::each;
use crate::support::cloud::Platform;
use crate::support::cloud::place::{AUDIENCE, Place};
use crate::support::cmd::{Outcome, Sandbox};
use crate::support::idp::{Answer, Minting, Patch, Reply};

/// `token` of somebody who does not wait long for one answer, and so neither for several.
const IMPATIENT: [&str; 3] = ["token", "--http-timeout", "2s"];

/// Whatever the platform may answer with, and what becomes of it. `dressed` gives a reply what marks the platform's own.
fn troubles(dressed: fn(Reply) -> Reply) -> Vec<(Answer, i32, &'static str)> {
    let instead = |reply| Answer::Instead(dressed(reply));
    vec![
        (instead(Reply::see_other("http://evil.example/token?x=1")), 10, "it redirects to `evil.example`"),
        (instead(Reply::html(403, "<h1>Forbidden</h1>")), 5, "`status 403`"),
        (instead(Reply::html(502, "<h1>Bad gateway</h1>")), 7, "answered with status 502"),
        (instead(Reply::html(503, "").header("retry-after", "1800")), 7, "try again in 1800 s, as it asks"),
        (Answer::Flood(2 << 20), 10, "is larger than 262144 bytes"),
        (Answer::Delay(Duration::from_secs(6)), 7, "it took too long"),
        (Answer::DropBefore, 7, "no answer from"),
        (Answer::DropAfter, 7, "no answer from"),
        (Answer::CutAfter(10), 7, "no answer from"),
    ]
}

/// Runs every trouble, each at a place of its own, and what a token itself can have wrong with it.
fn survives_troubles<P: Platform>(place: impl Fn() -> Place<P> + Sync, dressed: fn(Reply) -> Reply) {
    each(troubles(dressed), |(answer, exit, says)| {
        let place = place();
        place.cloud.always(answer.clone());
        let outcome = place.sandbox.run(IMPATIENT);
        assert!(outcome.stdout.is_empty(), "{answer:?}: {outcome:?}");
        outcome.exits(exit).says(says);
        // Once it is over, it is over.
        place.cloud.always(Answer::Honest);
        place.sandbox.run(["token"]).exits(0);
    });
    let claims = |change: Value| Minting { claims: Patch::merge(change), ..Minting::default() };
    let opaque = Minting { instead: Some("opaque-token".into()), ..Minting::default() };
    let rows = [
        (opaque, 10, "is of no use to MongoDB\n  caused by: it is not a JWT"),
        (claims(json!({ "aud": "somebody-else" })), 10, "it is for `somebody-else`, not for `mongodb://orders`"),
        (claims(json!({ "exp": 1_000_000_000 })), 10, "caused by: it expired "),
    ];
    each(rows, |(minting, exit, says)| {
        let mut place = place();
        place.sandbox.env("MDB_LOGIN_AUDIENCE", AUDIENCE);
        place.idp.change(|behaviour| behaviour.access_token = minting);
        let outcome = place.sandbox.run(["token"]);
        assert!(outcome.stdout.is_empty() && !outcome.text().contains("Okta"), "{outcome:?}");
        outcome.exits(exit).says(says);
    });
}

/// The token that is printed; everything else is silent.
fn token(sandbox: &Sandbox) -> String {
    let outcome = sandbox.run(["token"]).exits(0);
    assert!(outcome.stderr.is_empty(), "{outcome:?}");
    outcome.stdout().trim_end().to_owned()
}

/// That nobody is there is known, and it is said where was looked.
fn absent(sandbox: &Sandbox, looked: &str) -> Outcome {
    sandbox.run(["token"]).exits(7).says("cannot reach").says(looked)
}

/// That an address where nobody even refuses is given up within a second, beside what the program takes in any case.
/// `variable` names the platform's address, after `scheme`.
#[cfg(target_os = "linux")]
fn swallowed(sandbox: &mut Sandbox, variable: &str, scheme: &str, looked: &str) {
    let (port, nowhere) =
        (std::net::TcpListener::bind("127.0.0.1:0").unwrap(), crate::support::cloud::Blackhole::open());
    let closed = port.local_addr().unwrap();
    drop(port);
    sandbox.env("MDB_LOGIN_HTTP_TIMEOUT", "30s");
    sandbox.env(variable, format!("{scheme}{closed}"));
    let refused = absent(sandbox, looked).took;
    sandbox.env(variable, format!("{scheme}{}", nowhere.address()));
    // The quickest of a few: the machine may be busy.
    let swallowed = (0..5).map(|_| absent(sandbox, looked).took).min().unwrap();
    assert!(swallowed < refused + Duration::from_secs(1), "{swallowed:?}, and {refused:?} where it is refused");
}
