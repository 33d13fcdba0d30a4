//! A job of GitHub Actions.

use serde_json::json;

use super::{survives_troubles, token};
use crate::cases::each;
use crate::support::cloud::github::Actions;
use crate::support::cloud::place::{AUDIENCE, Place, program};
use crate::support::cloud::{Cloud, Minter};
use crate::support::cmd::Sandbox;
use crate::support::idp::jwt::claims;
use crate::support::idp::{Answer, Idp, Reply};

/// What the runner gives the steps of a job that may have tokens.
pub(super) fn in_a_job(sandbox: &mut Sandbox, cloud: &Cloud<Actions>) {
    let mut request_token = String::new();
    cloud.change(|actions| request_token = actions.request_token.clone());
    sandbox
        .env("ACTIONS_ID_TOKEN_REQUEST_URL", cloud.url(Actions::PATH))
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", request_token);
}

pub(super) fn job() -> Place<Actions> {
    let idp = Idp::start();
    let cloud = Cloud::start(Actions::new(Minter::of(&idp)));
    let mut sandbox = program(&idp, "github-actions");
    sandbox.env("MDB_LOGIN_AUDIENCE", AUDIENCE);
    in_a_job(&mut sandbox, &cloud);
    Place { idp, cloud, sandbox }
}

#[test]
fn a_job_has_the_token_of_its_run() {
    let Place { cloud, sandbox, .. } = job();
    let first = token(&sandbox);
    assert_eq!(claims(&first)["sub"], "repo:octo-org/octo-repo:ref:refs/heads/main");
    assert_eq!(token(&sandbox), first);
    assert_eq!(cloud.requests(), 1);
    assert_eq!(cloud.log()[0].query.as_deref(), Some("api-version=2.0&audience=mongodb%3A%2F%2Forders"));
}

#[test]
fn what_a_job_may_not_is_said() {
    type Change = fn(&mut Place<Actions>);
    let rows: [(Change, i32, &str); 7] = [
        (|place| _ = place.sandbox.unset("ACTIONS_ID_TOKEN_REQUEST_URL"), 3, "`id-token: write`"),
        (|place| _ = place.sandbox.unset("ACTIONS_ID_TOKEN_REQUEST_TOKEN"), 3, "`id-token: write`"),
        (
            |place| _ = place.sandbox.env("ACTIONS_ID_TOKEN_REQUEST_URL", "http://run.example.com/?a=b"),
            3,
            "must start with `https://`",
        ),
        (|place| _ = place.sandbox.env("ACTIONS_ID_TOKEN_REQUEST_URL", "run"), 3, "is not a URL of http or https"),
        (|place| _ = place.sandbox.unset("MDB_LOGIN_AUDIENCE"), 3, "`audience` must be set"),
        (
            |place| _ = place.sandbox.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-another-job"),
            5,
            "the request token is not valid",
        ),
        (
            |place| place.cloud.change(|actions| actions.refused_audiences = vec![AUDIENCE.to_owned()]),
            5,
            "Can't issue ID_TOKEN for audience 'mongodb://orders'",
        ),
    ];
    each(rows, |(change, exit, says)| {
        let mut place = job();
        change(&mut place);
        place.sandbox.run(["token"]).exits(exit).says(says);
    });
}

#[test]
fn the_service_may_answer_anything() {
    survives_troubles(job, |reply| reply);
    let rows = [
        (Answer::Instead(Reply::html(200, "<html>portal</html>")), 7, "cannot be read: it is not valid JSON"),
        (Answer::Instead(Reply::json(200, &json!({ "count": 0 }))), 10, "its field `value` holds no token"),
    ];
    each(rows, |(answer, exit, says)| {
        let Place { cloud, sandbox, .. } = job();
        cloud.always(answer);
        sandbox.run(["token"]).exits(exit).says(says);
    });
    let Place { cloud, sandbox, .. } = job();
    cloud.set_up(false);
    sandbox.run(["token"]).exits(7).says("cannot get a token from GitHub Actions").says("cannot reach");
}
