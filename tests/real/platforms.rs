//! Platforms, where a loopback address is not enough: the folder of Azure Arc's agent, a crowd, and what people run.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::alone;
use crate::connect::{WORK, drivers, exec, report};
use crate::support::cloud::Platform;
use crate::support::cloud::azure::{Arc, ManagedIdentity};
use crate::support::cloud::google::ServiceAccount;
use crate::support::cloud::place::Place;
use crate::support::cmd::{Sandbox, program};
use crate::support::idp::jwt::claims;
use crate::support::idp::{Answer, Reply};
use crate::workload::a_thousand_at_once;

/// The folder's name is Microsoft's, and nothing changes it.
const AGENT: alone::Place = alone::Place {
    without: &[],
    made_by: "mount -t tmpfs none /var/opt; mkdir -p /var/opt/azcmagent/tokens",
    name: "folder of Azure Arc's agent",
};

/// Runs `test`, the whole of the test function of this name in this file, on a server with Azure Arc.
fn with_agent(name: &str, test: impl FnOnce()) {
    AGENT.run(&format!("platforms::{name}"), |_| {}, test);
}

fn server() -> Place<Arc> {
    Place::with_agent(Arc::FOLDER.into())
}

fn token(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let outcome = sandbox.run([&["token"], arguments].concat()).exits(0);
    assert!(outcome.stderr.is_empty(), "{outcome:?}");
    outcome.stdout().trim_end().to_owned()
}

#[test]
#[ignore = "needs root or user namespaces; run tests/run"]
fn whoever_can_read_the_agent_s_challenge_gets_the_token() {
    with_agent("whoever_can_read_the_agent_s_challenge_gets_the_token", || {
        let place = server();
        let first = token(&place.sandbox, &[]);
        assert_eq!(token(&place.sandbox, &[]), first);
        assert_eq!(place.cloud.statuses(), [401, 200]);
        assert_ne!(token(&place.sandbox, &["--force-refresh"]), first);
        // Each challenge is good for once.
        assert_eq!(place.cloud.statuses(), [401, 200, 401, 200]);
        let version = "api-version=2020-06-01&resource=api%3A%2F%2Fmongodb";
        assert!(place.cloud.log().iter().all(|asked| asked.query.as_deref() == Some(version)));

        let mongodb = place.server(claims(&first)["sub"].as_str().unwrap());
        place.sandbox.run(["verify", &mongodb.uri()]).exits(0);
        assert_eq!(mongodb.refusals(), []);

        let said = place.sandbox.run(["token", "--force-refresh", "-vv"]).exits(0).stderr();
        let mut challenges = Vec::new();
        place.cloud.change(|arc| challenges = arc.secrets.clone());
        assert_eq!(challenges.len(), 3);
        for challenge in challenges {
            assert!(!said.contains(&challenge), "{said}");
            assert_eq!(place.sandbox.files_with(&challenge), Vec::<std::path::PathBuf>::new());
        }
    });
}

#[test]
#[ignore = "needs root or user namespaces; run tests/run"]
fn the_agent_has_to_confirm_an_identity() {
    with_agent("the_agent_has_to_confirm_an_identity", || {
        let other = ManagedIdentity::new("other", 2);
        for identity in [
            format!("client_id:{}", other.client_id),
            format!("object_id:{}", other.object_id),
            format!("resource_id:{}", other.resource_id),
        ] {
            let place = server();
            place.cloud.change(|arc| arc.directory.user_assigned = vec![other.clone()]);
            let given = token(&place.sandbox, &["--identity", &identity]);
            assert_eq!(claims(&given)["oid"], json!(other.object_id), "{identity}");
            // An agent that does not know the parameter gives the token of the machine.
            place.cloud.change(|arc| arc.legacy = true);
            let arguments = ["token", "--force-refresh", "--identity", &identity];
            let refused = place.sandbox.run(arguments).exits(10);
            assert!(refused.stdout.is_empty());
            refused.says("did not confirm that the token is of the `identity` asked for");
        }
        let place = server();
        let unknown = ["token", "--identity", "client_id:00000009-aaaa-4aaa-8aaa-aaaaaaaaaaaa"];
        place.sandbox.run(unknown).exits(5).says("Identity not found").says("check `identity`");
    });
}

#[test]
#[ignore = "needs root or user namespaces; run tests/run"]
fn what_is_no_challenge_is_not_sent() {
    with_agent("what_is_no_challenge_is_not_sent", || {
        let folder = Path::new(Arc::FOLDER);
        std::fs::write(folder.join("outside"), "secret").unwrap();
        symlink("outside", folder.join("link.key")).unwrap();
        std::fs::write(folder.join("long.key"), vec![b'x'; 4097]).unwrap();
        std::fs::create_dir(folder.join("folder.key")).unwrap();
        std::fs::write(folder.join("lines.key"), "a\nx-header: b").unwrap();
        std::fs::write(folder.join("empty.key"), "\n").unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, folder.join("fifo.key"), rustix::fs::Mode::RUSR).unwrap();
        let no_file = "it is no file of at most 4096 bytes";
        for (name, says) in [
            ("missing", "No such file"),
            ("link", "symbolic link"),
            ("long", no_file),
            ("folder", no_file),
            ("fifo", no_file),
            ("lines", "it holds something else than a challenge"),
            ("empty", "it holds something else than a challenge"),
        ] {
            let Place { cloud, sandbox, .. } = server();
            cloud.change(|arc| arc.realm = Some(format!("{}/{name}.key", Arc::FOLDER)));
            sandbox.run(["token"]).exits(10).says("which is not read").says(says).within(Duration::from_secs(20));
            assert_eq!(cloud.statuses(), [401], "{name}: something has been sent");
        }
    });
}

#[test]
#[ignore = "needs root or user namespaces; run tests/run"]
fn the_agent_may_answer_a_challenge_with_anything() {
    with_agent("the_agent_may_answer_a_challenge_with_anything", || {
        let again = Reply::json(401, &json!({ "error": "unauthorized_client", "error_description": "Expired" }));
        let again = again.header("www-authenticate", "Basic realm=/var/opt/azcmagent/tokens/next.key");
        for (reply, exit, says) in [
            (Reply::json(400, &json!({ "error": "invalid_request" })), 5, "`invalid_request`"),
            (again, 5, "`unauthorized_client`: Expired"),
            (Reply::html(200, "<html>portal</html>"), 7, "cannot be read: it is not valid JSON"),
            (Reply::json(200, &json!({ "token_type": "Bearer" })), 10, "`access_token`: it is missing"),
            (Reply::see_other("http://evil.example/"), 10, "it redirects to `evil.example`"),
        ] {
            let Place { cloud, sandbox, .. } = server();
            cloud.script([Answer::Honest, Answer::Instead(reply)]);
            sandbox.run(["token"]).exits(exit).says(says);
            assert_eq!(cloud.requests(), 2, "{says}");
            token(&sandbox, &[]);
        }
        let Place { cloud, sandbox, .. } = server();
        cloud.script([Answer::Honest, Answer::Instead(Reply::html(503, ""))]);
        token(&sandbox, &[]);
        assert_eq!(cloud.statuses(), [401, 503, 200]);
    });
}

/// Root reads everything, so this is a root without the right to.
#[test]
#[ignore = "needs root or user namespaces, and setpriv(1); run tests/run"]
fn who_may_not_read_the_challenge_is_told_who_may() {
    with_agent("who_may_not_read_the_challenge_is_told_who_may", || {
        let Place { cloud, mut sandbox, .. } = server();
        let file = Path::new(Arc::FOLDER).join("mine.key");
        std::fs::write(&file, "secret").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
        cloud.change(|arc| arc.realm = Some(file.to_str().unwrap().to_owned()));
        let wrapper = sandbox.home().join("as-nobody-special");
        let script = format!(
            "#!/bin/sh\nexec setpriv --bounding-set -dac_override,-dac_read_search -- '{}' \"$@\"\n",
            program().display()
        );
        std::fs::write(&wrapper, script).unwrap();
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
        sandbox.use_program(wrapper);
        sandbox.run(["token"]).exits(5).says("Permission denied").says("a member of the group `himds`");
        assert_eq!(cloud.requests(), 1);
    });
}

/// As many as there are at the start of every hour on a large machine; none of them has a token yet.
#[test]
#[ignore = "takes the whole machine; run tests/run"]
fn a_thousand_callers_are_one_request_to_a_metadata_server() {
    let mut azure = Place::virtual_machine();
    azure.sandbox.env("MDB_LOGIN_HTTP_TIMEOUT", "60s");
    let given = a_thousand_at_once(&azure.sandbox);
    assert_eq!(claims(given.trim_end())["oid"], json!(ManagedIdentity::new("system", 1).object_id));
    assert_eq!(azure.cloud.statuses(), [200]);

    let mut google = Place::machine();
    google.sandbox.env("MDB_LOGIN_HTTP_TIMEOUT", "60s");
    let given = a_thousand_at_once(&google.sandbox);
    assert_eq!(claims(given.trim_end())["sub"], json!(ServiceAccount::new("orders", 1).unique_id));
    assert_eq!(google.cloud.statuses(), [200]);
}

/// A string as a driver's manual has it, and programs that are not where their driver looks: a metadata address is in the
/// environment that only we know.
#[test]
#[ignore = "needs PyMongo, npm mongodb and mongosh; run tests/run"]
fn what_people_run_has_the_identity_of_its_machine() {
    fn works<P: Platform>(mut place: Place<P>, environment: &str, subject: &str) {
        for setting in ["KIND", "ISSUER", "RESOURCE", "AUDIENCE"] {
            place.sandbox.unset(format!("MDB_LOGIN_{setting}"));
        }
        let mongodb = place.server(subject);
        let properties = "authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:";
        let uri = format!("mongodb://{}/?{properties}{environment}", mongodb.address());
        let user = format!("machine/{subject}");
        let shell = ["--", "mongosh", &uri, "--quiet", "--norc", "--eval", WORK];
        assert_eq!(report(exec(&place.sandbox, &shell))["user"], user);
        for driver in drivers() {
            let said = report(exec(&place.sandbox, &["--", &driver[0], &driver[1], &uri, "3", "1"]));
            assert_eq!(said["user"], user, "{driver:?}: {said}");
        }
        assert_eq!(mongodb.refusals(), []);
        assert_eq!(place.cloud.requests(), 1, "three programs, one identity, one request");
    }
    let azure = Place::virtual_machine();
    works(azure, "azure,TOKEN_RESOURCE:api%3A%2F%2Fmongodb", &ManagedIdentity::new("system", 1).object_id);
    let google = Place::machine();
    works(google, "gcp,TOKEN_RESOURCE:mongodb%3A%2F%2Forders", &ServiceAccount::new("orders", 1).unique_id);
}
