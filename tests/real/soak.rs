//! An hour's session with tokens that live 5 s, on a shortened clock: the server asks for authentication again 720 times,
//! as often as it would in that hour, and no operation of mongosh, PyMongo or the npm driver fails.
//!
//! All three at once, because what takes the time is the drivers' own pause of 100 ms between two questions for a token.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::connect::{drivers, exec, report_within};
use crate::drivers::Setting;
use crate::support::idp::Rotation;

/// 3600 s of tokens that live 5 s.
const RENEWALS: usize = 720;
const LIFETIME: Duration = Duration::from_secs(5);
/// The work of the scripts: each round is an insert and a find.
const ROUNDS: usize = RENEWALS / 2;

/// A minute and a half is what it takes on two cores; what takes so much longer hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// What `driver.py` and `driver.mjs` do, in the shell.
const SHELL_WORK: &str = r#"
    const user = db.runCommand({ connectionStatus: 1 }).authInfo.authenticatedUsers[0].user;
    const people = db.getSiblingDB("shop").people;
    for (let number = 0; number < ROUNDS; number++) {
        people.insertOne({ number });
        if (people.findOne({ number }).number !== number) throw new Error(`${number} is lost`);
    }
    print(JSON.stringify({ user, count: people.countDocuments({}) }));
"#;

/// Short-lived tokens, a provider that ends the session when a refresh token comes twice, and a server that takes each
/// authentication for one operation.
fn setting() -> Setting {
    Setting::with(
        |provider| {
            provider.access_token_lifetime = LIFETIME;
            provider.rotation = Rotation::Strict;
        },
        |server| server.reauthenticate_after = Some(1),
    )
}

/// One program at work, and the renewals at the provider meanwhile. The scripts end at the first operation that fails,
/// so that all rounds done is no operation failed.
#[track_caller]
fn work(name: &str, setting: &Setting, line: &[&str]) -> usize {
    let (before, started) = (setting.idp.grants("refresh_token"), Instant::now());
    let said = report_within(PATIENCE, exec(&setting.home, line));
    let took = started.elapsed();
    assert_eq!((&said["user"], &said["count"]), (&json!("test/00u-ada"), &json!(ROUNDS)), "{name}: {said}");

    let counters = setting.server.counters();
    let renewals = setting.idp.grants("refresh_token") - before;
    eprintln!(
        "{name}: {} operations, 0 failed; {} authentications again, {renewals} renewals, {took:.0?}",
        2 * ROUNDS,
        counters.reauthentications
    );
    assert!(counters.reauthentications >= RENEWALS, "{name}: {counters:?}");
    assert_eq!(counters.reauthentications, counters.reauthentications_asked_for, "{name}");
    assert_eq!(setting.server.refusals(), [], "{name}");
    assert_eq!((setting.idp.counters().reuse_detected, setting.idp.families_alive()), (0, 1), "{name}");
    renewals
}

/// mongosh asks for a new token each time, and gets it from the provider: 720 refresh tokens, each used once.
fn shell() {
    let setting = setting();
    let (uri, script) = (setting.server.uri(), SHELL_WORK.replace("ROUNDS", &ROUNDS.to_string()));
    let line = ["--", "mongosh", &uri, "--quiet", "--norc", "--eval", &script];
    let renewals = work("mongosh", &setting, &line);
    assert!(renewals >= RENEWALS, "{renewals} renewals");
}

/// A driver reads the file each time, and the tokens in it wear out underneath: each is replaced when
/// half of its 5 s is over.
fn driver([program, script]: [String; 2]) {
    let setting = setting();
    let (uri, rounds) = (setting.server.uri(), ROUNDS.to_string());
    let started = Instant::now();
    let name = Path::new(&script).file_name().unwrap().to_str().unwrap();
    let renewals = work(name, &setting, &["--inject", "k8s", "--", &program, &script, &uri, &rounds, "0"]);
    let lifetimes = (started.elapsed().as_secs_f64() / LIFETIME.as_secs_f64()) as usize;
    assert!(renewals >= lifetimes, "{renewals} renewals in the time of {lifetimes} tokens");
    let mut presented = setting.server.tokens();
    presented.dedup();
    assert!(presented.len() >= lifetimes, "{} tokens in the time of {lifetimes}", presented.len());
}

#[test]
#[ignore = "needs npm mongosh, PyMongo and npm mongodb, and a minute and a half; run tests/run"]
fn an_hour_of_short_lived_tokens_costs_no_operation() {
    let workers: Vec<_> = drivers()
        .map(|line| std::thread::spawn(|| driver(line)))
        .into_iter()
        .chain([std::thread::spawn(shell)])
        .collect();
    let failed = workers.into_iter().filter_map(|worker| worker.join().err()).count();
    assert_eq!(failed, 0, "of the programs; each has said why above");
}
