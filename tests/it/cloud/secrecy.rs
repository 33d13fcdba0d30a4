//! What a platform is asked with, and what it gives, goes where it belongs and nowhere else: no proxy on the way to a
//! metadata address, nothing secret in a log or in what another program can see.

use super::{azure, github, google, kubernetes};
use crate::secrets::Canaries;
use crate::support::cloud::place::{Place, program};
use crate::support::cloud::{Platform, Recorder};
use crate::support::cmd::Sandbox;
use crate::support::idp::{Answer, Idp, Key};

/// Every way to name a proxy.
fn through(sandbox: &mut Sandbox, proxy: &Recorder) {
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "MDB_LOGIN_PROXY"]
    {
        sandbox.env(name, proxy.url());
    }
}

#[test]
fn no_proxy_is_ever_on_the_way_to_a_metadata_address() {
    fn direct<P: Platform>(mut place: Place<P>) {
        let proxy = Recorder::start();
        through(&mut place.sandbox, &proxy);
        super::token(&place.sandbox);
        assert_eq!(proxy.seen(), Vec::<String>::new());
        assert_eq!(place.cloud.requests(), 1);
    }
    direct(Place::virtual_machine());
    direct(azure::app_service());
    direct(Place::machine());
    direct(kubernetes::pod());
}

/// Else the test before could not fail: this is what the recorder sees of a request that may go through it.
#[test]
fn what_is_on_the_internet_is_asked_through_the_proxy() {
    let idp = Idp::start();
    let proxy = Recorder::start();
    let mut sandbox = program(&idp, "github-actions");
    sandbox
        .unset("MDB_LOGIN_ISSUER")
        .env("MDB_LOGIN_AUDIENCE", "a")
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", "https://run.actions.example.com/token?api-version=2.0")
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t");
    through(&mut sandbox, &proxy);
    sandbox.run(["token"]).exits(7);
    let seen = proxy.seen();
    assert!(seen.first().is_some_and(|line| line == "CONNECT run.actions.example.com:443 HTTP/1.1"), "{seen:?}");
}

/// Whatever was secret in the making of a token, at a place and in what was sent and received there.
fn looks<P: Platform>(mut place: Place<P>, secrets: impl FnOnce(&Place<P>) -> Vec<String>) {
    place.sandbox.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    let given = place.sandbox.run(["token", "-vv"]).exits(0);
    // Refused once as well: what is said then must not repeat what was sent.
    place.cloud.always(Answer::DropAfter);
    let failed = place.sandbox.run(["token", "-vv", "--force-refresh", "--json", "--http-timeout", "2s"]);
    assert_ne!(failed.code(), Some(0));
    let mut all = place.idp.secrets();
    all.extend(secrets(&place));
    assert!(all.len() >= 2 && all.iter().all(|secret| secret.len() > 10), "{all:?}");
    let canaries = Canaries::of_texts(all);
    canaries.assert_absent("the log", &given.stderr);
    canaries.assert_absent("the log of a failure", &failed.stderr);
    canaries.assert_absent("stdout of a failure", &failed.stdout);
    assert!(given.stderr().contains("asked"), "nothing was logged: {given:?}");
}

#[test]
fn nothing_secret_is_in_a_log_however_talkative() {
    looks(azure::app_service(), |place| header_values(place, "x-identity-header"));
    looks(azure::pod_for_mongodb(), |place| vec![file(&place.sandbox, "azure-identity-token")]);
    let key = Key::Second.pem().lines().filter(|line| line.len() > 20).map(str::to_owned);
    looks(google::with_key(), |place| key.chain(place.cloud.log().into_iter().map(|asked| asked.body)).collect());
    looks(kubernetes::pod(), |place| vec![file(&place.sandbox, "token")]);
    looks(github::job(), |place| header_values(place, "authorization"));
    looks(Place::virtual_machine(), |_| Vec::new());
    looks(Place::machine(), |_| Vec::new());
}

/// What a program under `exec` has of it is the token, in a file. Of the arguments and variables of both processes none
/// holds anything that was not there before: App Service and GitHub put theirs into variables themselves.
#[cfg(target_os = "linux")]
#[test]
fn nothing_secret_is_in_an_argument_or_in_the_environment_of_a_program() {
    fn looks<P: Platform>(place: Place<P>, secrets: impl FnOnce(&Place<P>) -> Vec<String>) {
        let script = "tr '\\0' '\\n' < /proc/self/environ; cat /proc/$$/cmdline /proc/$PPID/cmdline";
        let uri = "mongodb://localhost/";
        let arguments = ["exec", "--allow-cloud-env", "--", "sh", "-c", script, "sh", uri];
        let given = place.sandbox.run(arguments).exits(0);
        assert!(given.stdout().contains("AZURE_FEDERATED_TOKEN_FILE=") && given.stdout().contains(uri), "{given:?}");
        let printed = place.sandbox.run(["exec", "--allow-cloud-env", "--print-env", "--", "env", uri]).exits(0);
        let mut all = place.idp.secrets();
        all.extend(secrets(&place));
        assert!(!all.is_empty() && all.iter().all(|secret| secret.len() > 10), "{all:?}");
        let canaries = Canaries::of_texts(all);
        canaries.assert_absent("the environment or an argument", &given.stdout);
        canaries.assert_absent("what `--print-env` prints", &printed.stdout);
    }
    looks(azure::pod_for_mongodb(), |place| vec![file(&place.sandbox, "azure-identity-token")]);
    let key = Key::Second.pem().lines().filter(|line| line.len() > 20).map(str::to_owned);
    looks(google::with_key(), |place| key.chain(place.cloud.log().into_iter().map(|asked| asked.body)).collect());
    looks(kubernetes::pod(), |place| vec![file(&place.sandbox, "token")]);
    looks(github::job(), |_| Vec::new());
    looks(azure::app_service(), |_| Vec::new());
    looks(Place::virtual_machine(), |_| Vec::new());
    looks(Place::machine(), |_| Vec::new());
}

fn file(sandbox: &Sandbox, name: &str) -> String {
    std::fs::read_to_string(sandbox.home().join(name)).unwrap()
}

/// What was sent in this header, without the scheme in front of it.
fn header_values<P: Platform>(place: &Place<P>, name: &str) -> Vec<String> {
    let log = place.cloud.log();
    let values = log.iter().flat_map(|asked| &asked.headers).filter(|(known, _)| known == name);
    values.map(|(_, value)| value.rsplit(' ').next().unwrap_or_default().to_owned()).collect()
}
