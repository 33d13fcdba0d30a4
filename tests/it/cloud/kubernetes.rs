//! A cluster's API server, asked for a token of a service account.

use serde_json::{Value, json};

use super::{survives_troubles, token};
use crate::cases::each;
use crate::support::cloud::kubernetes::ApiServer;
use crate::support::cloud::place::{AUDIENCE, Place, program};
use crate::support::cloud::{Cloud, Minter};
use crate::support::cmd::Sandbox;
use crate::support::idp::jwt::claims;
use crate::support::idp::tls::Authority;
use crate::support::idp::{Answer, Idp, Reply};

/// A pod, with the token of its account and the cluster's authority in files.
pub(super) fn pod() -> Place<ApiServer> {
    let idp = Idp::start();
    let authority = Authority::new();
    let cloud = Cloud::start_with_tls(&authority.certificate("127.0.0.1"), ApiServer::new(Minter::of(&idp)));
    let mut sandbox = program(&idp, "kubernetes");
    let (ca, own) = (sandbox.home().join("ca.crt"), sandbox.home().join("token"));
    std::fs::write(&ca, authority.pem()).unwrap();
    sandbox
        .env("MDB_LOGIN_CA_FILE", ca)
        .env("MDB_LOGIN_SOURCE_FILE", own)
        .env("MDB_LOGIN_AUDIENCE", AUDIENCE)
        .env("MDB_LOGIN_IDENTITY", "shop/orders")
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", cloud.address().port().to_string());
    project(&sandbox, json!({}));
    Place { idp, cloud, sandbox }
}

/// What the kubelet does: writes the token of the pod's account, with these claims changed.
fn project(sandbox: &Sandbox, change: Value) {
    write(sandbox, ApiServer::pod_token(change).as_bytes(), 0o644);
}

fn write(sandbox: &Sandbox, bytes: &[u8], mode: u32) {
    let path = sandbox.home().join("token");
    std::fs::write(&path, bytes).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let _ = mode;
}

#[test]
fn the_cluster_gives_a_token_of_the_account_that_is_asked_for() {
    let Place { cloud, sandbox, .. } = pod();
    let first = token(&sandbox);
    assert_eq!(claims(&first)["sub"], "system:serviceaccount:shop:orders");
    assert_eq!(claims(&first)["aud"], json!([AUDIENCE]));
    assert_eq!(token(&sandbox), first);
    assert_eq!(cloud.requests(), 1);
    let asked = cloud.log().remove(0);
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", "/api/v1/namespaces/shop/serviceaccounts/orders/token")
    );
    assert_eq!(cloud.statuses(), [201]);
}

#[test]
fn the_cluster_refuses_who_may_not() {
    type Change = fn(&mut Sandbox);
    let rows: [(Change, &str); 5] = [
        (
            |sandbox| _ = sandbox.env("MDB_LOGIN_IDENTITY", "kube-system/root"),
            "`Forbidden`: serviceaccounts \"root\" is forbidden",
        ),
        (
            |sandbox| _ = sandbox.env("MDB_LOGIN_IDENTITY", "shop/nobody"),
            "`NotFound`: serviceaccounts \"nobody\" not found",
        ),
        (|sandbox| project(sandbox, json!({ "exp": 1_000_000_000 })), "`Unauthorized`"),
        (|sandbox| project(sandbox, json!({ "aud": [AUDIENCE] })), "`Unauthorized`"),
        (|sandbox| write(sandbox, b"a.b.c", 0o644), "`Unauthorized`"),
    ];
    each(rows, |(change, says)| {
        let mut place = pod();
        change(&mut place.sandbox);
        place.sandbox.run(["token"]).exits(5).says(says).says("kubectl auth can-i create serviceaccounts/");
    });
}

#[cfg(unix)]
#[test]
fn what_is_wrong_in_the_pod_is_named_and_nobody_is_asked() {
    type Change = fn(&mut Sandbox);
    let rows: [(Change, i32, &str); 8] = [
        (|sandbox| _ = sandbox.unset("KUBERNETES_SERVICE_HOST"), 3, "`KUBERNETES_SERVICE_HOST` is not set"),
        (|sandbox| _ = sandbox.unset("KUBERNETES_SERVICE_PORT"), 3, "`KUBERNETES_SERVICE_PORT` is not set"),
        (|sandbox| _ = sandbox.env("KUBERNETES_SERVICE_HOST", "a@b"), 3, "are not a host and a port"),
        (|sandbox| _ = sandbox.unset("MDB_LOGIN_AUDIENCE"), 3, "`audience` must be set"),
        (|sandbox| std::fs::remove_file(sandbox.home().join("token")).unwrap(), 3, "cannot read the token file"),
        (|sandbox| write(sandbox, b"a.b.c", 0o666), 3, "can be written by others"),
        (|sandbox| std::fs::write(sandbox.home().join("ca.crt"), "nonsense").unwrap(), 3, "holds no PEM certificate"),
        // A stranger in the network, with a certificate that anybody can make.
        (
            |sandbox| std::fs::write(sandbox.home().join("ca.crt"), Authority::new().pem()).unwrap(),
            10,
            "the TLS certificate of https://127.0.0.1",
        ),
    ];
    each(rows, |(change, exit, says)| {
        let Place { cloud, mut sandbox, .. } = pod();
        change(&mut sandbox);
        sandbox.run(["token"]).exits(exit).says(says);
        assert_eq!(cloud.requests(), 0, "{says}");
    });
}

#[test]
fn the_cluster_may_answer_anything() {
    survives_troubles(pod, |reply| reply);
    let rows = [
        (Answer::Instead(Reply::html(200, "<html>portal</html>")), 7, "cannot be read: it is not valid JSON"),
        (Answer::Instead(Reply::json(201, &json!({ "status": {} }))), 10, "its field `status.token` holds no token"),
    ];
    each(rows, |(answer, exit, says)| {
        let Place { cloud, sandbox, .. } = pod();
        cloud.always(answer);
        sandbox.run(["token"]).exits(exit).says(says);
    });
    let Place { cloud, sandbox, .. } = pod();
    cloud.set_up(false);
    sandbox.run(["token"]).exits(7).says("cannot get a token from the cluster's API server").says("cannot reach");
}
