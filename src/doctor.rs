//! Looks at everything that a sign-in and a token depend on: what is fine, what is not, and what to do.
//!
//! Asks no person, opens no browser, unlocks and renews nothing. What it writes, a trial lock and a trial key, is gone
//! afterwards.
//!
//! | file | what |
//! |---|---|
//! | `program` | this program, its settings, and the variables that are set |
//! | `machine` | where we are, the redirect port, the browser |
//! | `provider` | the way to the provider, its clock, and what it supports |
//! | `keeping` | keyrings, cache, locks, files, the session |
//! | `server` | the MongoDB server: may it have a token, what does it say, would it take the token |
//! | `finding` | what a check has found; the page and the object |
//! | `redact` | nothing of the person stays in either |
//!
//! In the first five, looking and judging are apart: what is seen goes into a function that gives a [`Finding`], so that
//! every judgement can be tried without a machine that is sick in just that way.

mod finding;
mod keeping;
mod machine;
mod program;
mod provider;
mod redact;
mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

pub use finding::Findings;
use finding::{Finding, Place};
use redact::Redactor;

use crate::error::{Error, Kind};
use crate::settings::{self, Request, Settings, dirs};

/// What is examined.
struct Case {
    request: Request,
    /// As far as they are right.
    settings: Settings,
    wrong: Vec<Error>,
    state_dir: Result<PathBuf, Error>,
}

/// One thing to look at.
struct Check {
    place: Place,
    /// Stands for all of its findings where it gives none in time.
    name: &'static str,
    /// From the start of all.
    bound: Duration,
    look: fn(&Case) -> Vec<Finding>,
}

/// Files, locks, sockets of this machine: at once, but for a network file system whose server is gone.
const LOCAL: Duration = Duration::from_secs(3);
/// The keyring's own deadline is 3 s, and its words are better than ours.
const KEYRING: Duration = Duration::from_secs(5);
/// What one question to the network may take. Settings can make it shorter.
const PATIENCE: Duration = Duration::from_secs(8);
/// Longer than [`PATIENCE`], which ends with better words, and for more than one of them.
const NETWORK: Duration = Duration::from_secs(12);

/// In the order of the page.
const CHECKS: &[Check] = &[
    Check { place: Place::Program, name: "version", bound: LOCAL, look: program::version },
    Check { place: Place::Program, name: "programs", bound: LOCAL, look: program::programs },
    Check { place: Place::Program, name: "settings", bound: LOCAL, look: program::settings },
    Check { place: Place::Program, name: "choices", bound: LOCAL, look: program::choices },
    Check { place: Place::Program, name: "variables", bound: LOCAL, look: program::variables },
    Check { place: Place::Machine, name: "surroundings", bound: LOCAL, look: machine::surroundings },
    Check { place: Place::Machine, name: "redirect_port", bound: LOCAL, look: machine::redirect_port },
    Check { place: Place::Machine, name: "browser", bound: LOCAL, look: machine::browser },
    Check { place: Place::Provider, name: "proxy", bound: NETWORK, look: provider::proxy },
    Check { place: Place::Provider, name: "certificates", bound: LOCAL, look: provider::certificates },
    Check { place: Place::Provider, name: "dns", bound: NETWORK, look: provider::dns },
    Check { place: Place::Provider, name: "discovery", bound: NETWORK, look: provider::discovery },
    Check { place: Place::Provider, name: "client_secret", bound: LOCAL, look: provider::client_secret },
    Check { place: Place::Provider, name: "client_key", bound: LOCAL, look: provider::client_key },
    Check { place: Place::Provider, name: "source", bound: LOCAL, look: provider::source },
    Check { place: Place::Keeping, name: "keyring", bound: KEYRING, look: keeping::stores },
    Check { place: Place::Keeping, name: "cache", bound: LOCAL, look: keeping::cache },
    Check { place: Place::Keeping, name: "files", bound: LOCAL, look: keeping::files },
    Check { place: Place::Keeping, name: "locks", bound: LOCAL, look: keeping::locks },
    Check { place: Place::Keeping, name: "session", bound: LOCAL, look: keeping::session },
    Check { place: Place::Server, name: "server", bound: NETWORK, look: server::look },
    Check { place: Place::Server, name: "token", bound: LOCAL, look: server::token },
];

/// Examines everything, within [`NETWORK`].
pub fn examine(request: Request) -> Findings {
    let (settings, wrong) = settings::what_is_right(&request);
    let case = Case { request, settings, wrong, state_dir: dirs::state_dir() };
    let redactor = redactor(&case);
    Findings::new(run(CHECKS, Arc::new(case)), &redactor)
}

/// Runs all checks at the same time, each on a thread of its own: much of what they wait for (name resolution, D-Bus, a
/// file system of the network) cannot be called back. Whoever is late is left behind.
fn run(checks: &'static [Check], case: Arc<Case>) -> Vec<(Place, Finding)> {
    let start = Instant::now();
    let (send, receive) = channel();
    let mut found: Vec<Option<Vec<Finding>>> = Vec::new();
    for (index, check) in checks.iter().enumerate() {
        let (send, case) = (send.clone(), Arc::clone(&case));
        let look = move || _ = send.send((index, (check.look)(&case)));
        let started = thread::Builder::new().name(check.name.to_owned()).spawn(look);
        found.push(
            started
                .err()
                .map(|error| vec![Finding::fail(check.name, Kind::Failed, format!("cannot be looked at: {error}"))]),
        );
    }
    drop(send);
    while let Some(bound) =
        checks.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(check, _)| check.bound).min()
    {
        match receive.recv_timeout(bound.saturating_sub(start.elapsed())) {
            Ok((index, findings)) => {
                if let Some(missing) = found.get_mut(index) {
                    missing.get_or_insert(findings);
                }
            }
            Err(end) => {
                for (check, missing) in checks.iter().zip(&mut found) {
                    // Disconnected: nobody is left who could answer.
                    if start.elapsed() >= check.bound || end == RecvTimeoutError::Disconnected {
                        missing.get_or_insert_with(|| vec![unanswered(check, end)]);
                    }
                }
            }
        }
    }
    let place = |(check, found): (&Check, Option<Vec<Finding>>)| {
        found.into_iter().flatten().map(|finding| (check.place, finding)).collect::<Vec<_>>()
    };
    checks.iter().zip(found).flat_map(place).collect()
}

fn unanswered(check: &Check, end: RecvTimeoutError) -> Finding {
    let seconds = check.bound.as_secs();
    match end {
        RecvTimeoutError::Timeout => {
            Finding::fail(check.name, Kind::TimedOut, format!("there is no answer after {seconds} s"))
        }
        RecvTimeoutError::Disconnected => Finding::fail(check.name, Kind::Failed, "the check has ended without a word"),
    }
}

fn redactor(case: &Case) -> Redactor {
    let variable = |name| std::env::var(name).ok();
    let login = variable("USER").or_else(|| variable("LOGNAME")).or_else(|| variable("USERNAME"));
    let user = case.settings.uri.as_ref().and_then(|uri| uri.user());
    let names = [case.settings.authorization.login_hint.as_deref(), user.as_deref()];
    let names: Vec<&str> = names.into_iter().flatten().collect();
    Redactor::new(std::env::home_dir().as_deref(), login.as_deref(), &names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::schema::Setting;
    use crate::ui::report::Mark;

    /// What is built in, with these values on top as if typed after a flag.
    pub(super) fn settings(values: &[(&'static Setting, &str)]) -> Settings {
        let flags = values.iter().map(|(setting, value)| (*setting, "--flag", vec![(*value).to_owned()])).collect();
        settings::of_flags(&Request { flags, ..Request::default() })
    }

    const fn check(name: &'static str, bound: u64, look: fn(&Case) -> Vec<Finding>) -> Check {
        Check { place: Place::Machine, name, bound: Duration::from_millis(bound), look }
    }

    #[test]
    fn whoever_is_late_is_left_behind_and_nobody_waits_for_them() {
        static CHECKS: [Check; 5] = [
            check("late", 300, |_| {
                thread::sleep(Duration::from_secs(30));
                Vec::new()
            }),
            check("later", 600, |_| {
                thread::sleep(Duration::from_secs(30));
                Vec::new()
            }),
            check("two", 20_000, |_| vec![Finding::ok("first", ""), Finding::warn("second", "")]),
            check("none", 20_000, |_| Vec::new()),
            check("slow", 20_000, |_| {
                thread::sleep(Duration::from_millis(900));
                vec![Finding::ok("slow", "")]
            }),
        ];
        let start = Instant::now();
        let case = Case {
            request: Request::default(),
            settings: settings(&[]),
            wrong: Vec::new(),
            state_dir: dirs::state_dir(),
        };
        let found = run(&CHECKS, Arc::new(case));
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
        let found: Vec<(&str, Mark)> = found.iter().map(|(_, finding)| (finding.name, finding.mark)).collect();
        let (ok, fail) = (Mark::Ok, Mark::Fail);
        assert_eq!(found, [("late", fail), ("later", fail), ("first", ok), ("second", Mark::Warn), ("slow", ok)]);
    }

    #[test]
    fn a_check_that_breaks_off_is_told_of() {
        static CHECKS: [Check; 1] = [check("broken", 20_000, |_| std::panic::resume_unwind(Box::new(())))];
        let case = Case {
            request: Request::default(),
            settings: settings(&[]),
            wrong: Vec::new(),
            state_dir: dirs::state_dir(),
        };
        let start = Instant::now();
        let found = run(&CHECKS, Arc::new(case));
        assert!(found.len() == 1 && found[0].1.mark == Mark::Fail && start.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn the_whole_ends_in_time_and_checks_stand_in_the_order_of_the_page() {
        assert!(CHECKS.iter().all(|check| check.bound <= NETWORK) && NETWORK < Duration::from_secs(15));
        assert!(CHECKS.is_sorted_by_key(|check| check.place));
    }
}
