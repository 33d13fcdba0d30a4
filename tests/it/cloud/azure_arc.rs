//! A server with Azure Arc, as far as nothing has to lie in its agent's folder. That has a name which nothing can change, so
//! what has to lie there is in `tests/real/platforms.rs`.

use serde_json::json;

use super::{IMPATIENT, absent, troubles};
use crate::cases::each;
use crate::support::cloud::azure::Arc;
use crate::support::cloud::place::Place;
use crate::support::idp::{Answer, Reply};

/// A server whose agent writes its challenges where nobody looks.
fn server() -> (Place<Arc>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Place::with_agent(folder.path().to_owned()), folder)
}

#[test]
fn a_file_outside_of_the_agent_s_folder_is_neither_read_nor_sent() {
    let within = |name: &str| format!("{}/{name}", Arc::FOLDER);
    let rows = [
        "/etc/passwd".to_owned(),
        "/root/.ssh/id.key".to_owned(),
        "id.key".to_owned(),
        within("../tokens/a.key"),
        within("../../../../etc/ssl/private/a.key"),
        within("sub/a.key"),
        within("a.txt"),
        within(".key"),
        format!("{}2/a.key", Arc::FOLDER),
        format!("\"{}\"", within("a.key")),
    ];
    each(rows, |realm| {
        let (Place { cloud, sandbox, .. }, _folder) = server();
        cloud.change(|arc| arc.realm = Some(realm.clone()));
        let outcome = sandbox.run(["token"]).exits(10);
        outcome.says("which is not read").says("it is no `.key` file in `/var/opt/azcmagent/tokens`");
        assert_eq!(cloud.statuses(), [401], "{realm}: something has been sent");
    });
}

#[test]
fn a_challenge_has_to_name_a_file() {
    let unauthorized = Reply::json(401, &json!({ "error": "unauthorized_client" }));
    let token = json!({ "access_token": "a.b.c", "token_type": "Bearer" });
    let rows = [
        (unauthorized.clone(), "its challenge names no file"),
        (unauthorized.clone().header("www-authenticate", "Negotiate"), "its challenge names no file"),
        (unauthorized.header("www-authenticate", "Bearer realm=/a.key"), "its challenge names no file"),
        (Reply::json(200, &token), "it is a token without a challenge"),
    ];
    each(rows, |(reply, says)| {
        let (Place { cloud, sandbox, .. }, _folder) = server();
        cloud.always(Answer::Instead(reply));
        sandbox.run(["token"]).exits(10).says(says);
        assert_eq!(cloud.requests(), 1, "{says}: something has been sent");
    });
}

#[test]
fn the_agent_may_answer_anything() {
    each(troubles(|reply| reply), |(answer, exit, says)| {
        let (Place { cloud, sandbox, .. }, _folder) = server();
        cloud.always(answer);
        sandbox.run(IMPATIENT).exits(exit).says(says);
    });
    let (Place { cloud, sandbox, .. }, _folder) = server();
    cloud.set_up(false);
    absent(&sandbox, "Azure Arc (`IMDS_ENDPOINT`, its agent)");
}
