//! Azure: virtual machines, App Service, and pods on AKS.

use std::time::Duration;

use serde_json::{Value, json};

#[cfg(target_os = "linux")]
use super::swallowed;
use super::{absent, survives_troubles, token};
use crate::cases::each;
use crate::support::cloud::azure::{AppService, Entra, Imds, ManagedIdentity};
use crate::support::cloud::place::{AUDIENCE, Place, at_azure, for_mongodb};
use crate::support::cloud::{Cloud, Minter, Relay};
use crate::support::cmd::Sandbox;
use crate::support::idp::jwt::claims;
use crate::support::idp::{Answer, Idp, Reply};

const HEADER: &str = "canary-of-the-identity-header-0123456789";

pub(super) fn app_service() -> Place<AppService> {
    let idp = Idp::start();
    let cloud = Cloud::start(AppService::new(Minter::of(&idp), HEADER));
    cloud.change(|service| for_mongodb(&mut service.directory));
    let mut sandbox = at_azure(&idp);
    sandbox.env("IDENTITY_ENDPOINT", cloud.url(AppService::PATH)).env("IDENTITY_HEADER", HEADER);
    Place { idp, cloud, sandbox }
}

/// A pod on AKS, with the token of its service account in a file that everybody in the pod can read.
pub(super) fn pod() -> Place<Entra> {
    let idp = Idp::start();
    let cloud = Cloud::start(Entra::new(Minter::of(&idp)));
    let mut sandbox = at_azure(&idp);
    let (tenant, client_id) = about(&cloud, |entra| (entra.tenant.clone(), entra.client_id.clone()));
    let file = sandbox.home().join("azure-identity-token");
    sandbox
        .env("AZURE_TENANT_ID", tenant)
        .env("AZURE_CLIENT_ID", client_id)
        .env("AZURE_AUTHORITY_HOST", cloud.url("/"))
        .env("AZURE_FEDERATED_TOKEN_FILE", file);
    let place = Place { idp, cloud, sandbox };
    project(&place, json!({}));
    place
}

/// The same, asking for what the MongoDB server wants: tokens of this version name what they were asked for.
pub(super) fn pod_for_mongodb() -> Place<Entra> {
    let mut place = pod();
    place.cloud.change(|entra| entra.resources = vec![AUDIENCE.to_owned()]);
    place.sandbox.env("MDB_LOGIN_RESOURCE", AUDIENCE);
    place
}

fn about<T>(cloud: &Cloud<Entra>, tell: impl FnOnce(&Entra) -> T) -> T {
    let mut told = None;
    cloud.change(|entra| told = Some(tell(entra)));
    told.unwrap()
}

/// What the kubelet does: writes the account's token, with these claims changed.
fn project(place: &Place<Entra>, change: Value) {
    let token = about(&place.cloud, |entra| entra.service_account_token(change));
    write(&place.sandbox, token.as_bytes(), 0o644);
}

fn write(sandbox: &Sandbox, bytes: &[u8], mode: u32) {
    let file = sandbox.home().join("azure-identity-token");
    std::fs::write(&file, bytes).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let _ = mode;
}

#[test]
fn a_virtual_machine_s_token_is_asked_for_once_in_its_life() {
    let Place { cloud, sandbox, .. } = Place::virtual_machine();
    let first = token(&sandbox);
    assert_eq!(claims(&first)["oid"], json!(ManagedIdentity::new("system", 1).object_id));
    assert_eq!(token(&sandbox), first);
    assert_eq!(cloud.requests(), 1);
    let asked = cloud.log().remove(0);
    assert_eq!(asked.query.as_deref(), Some("api-version=2018-02-01&resource=api%3A%2F%2Fmongodb"));
    // Whoever has been refused by a server gets another.
    assert_ne!(sandbox.run(["token", "--force-refresh"]).exits(0).stdout().trim_end(), first);
}

#[test]
fn the_identity_that_is_asked_for_is_the_one_that_is_given() {
    let (one, other) = (ManagedIdentity::new("one", 2), ManagedIdentity::new("other", 3));
    let rows = [
        ("client_id", "client_id", format!("client_id:{}", other.client_id)),
        ("object_id", "object_id", format!("object_id:{}", other.object_id)),
        ("msi_res_id", "mi_res_id", format!("resource_id:{}", other.resource_id)),
    ];
    each(rows, |(at_imds, at_app_service, identity)| {
        let (machine, app) = (Place::virtual_machine(), app_service());
        machine.cloud.change(|imds| imds.directory.user_assigned = vec![one.clone(), other.clone()]);
        app.cloud.change(|service| service.directory.user_assigned = vec![one.clone(), other.clone()]);
        for sandbox in [&machine.sandbox, &app.sandbox] {
            let given = sandbox.run(["token", "--identity", &identity]).exits(0).stdout();
            assert_eq!(claims(given.trim_end())["oid"], json!(other.object_id), "{identity}");
        }
        for (log, parameter) in [(machine.cloud.log(), at_imds), (app.cloud.log(), at_app_service)] {
            let query = log[0].query.clone().unwrap();
            assert!(query.contains(&format!("&{parameter}=")), "{query}");
        }
    });
}

#[test]
fn a_virtual_machine_refuses_what_it_does_not_know() {
    let refused = |arguments: &[&str], change: fn(&mut Imds), exit, says: &str, hint: &str| {
        let Place { cloud, sandbox, .. } = Place::virtual_machine();
        cloud.change(change);
        let arguments = [&["token"], arguments].concat();
        sandbox.run(arguments).exits(exit).says(says).says(hint);
        assert_eq!(cloud.statuses(), [400]);
    };
    let nobody: fn(&mut Imds) = |imds| imds.directory.system_assigned = None;
    let several: fn(&mut Imds) = |imds| {
        imds.directory.system_assigned = None;
        imds.directory.user_assigned = vec![ManagedIdentity::new("a", 2), ManagedIdentity::new("b", 3)];
    };
    let unknown = ["--identity", "client_id:00000009-aaaa-4aaa-8aaa-aaaaaaaaaaaa"];
    refused(&unknown, |_| {}, 5, "`invalid_request`: Identity not found", "check `identity`");
    refused(&[], nobody, 5, "Identity not found", "give this machine or app a managed identity");
    refused(&[], several, 5, "Multiple user assigned identities exist", "--identity client_id:ID");
    refused(&["--resource", "api://nobody"], |_| {}, 5, "`invalid_resource`: AADSTS500011", "check `resource`");
}

/// A place that is Azure's and not known here is named, and the machine below it is not asked for another identity.
#[test]
fn what_is_wrong_with_the_environment_is_named_and_nobody_is_asked() {
    let endpoint = ("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token");
    let host = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
    let rows: [(&[(&str, &str)], &str); 9] = [
        (&[("IDENTITY_ENDPOINT", "127.0.0.1:9"), ("IDENTITY_HEADER", "h")], "`IDENTITY_ENDPOINT` is not a URL"),
        (&[endpoint, ("IDENTITY_HEADER", "a\nmetadata: true")], "`IDENTITY_HEADER` holds more than visible ASCII"),
        (&[endpoint, ("IDENTITY_HEADER", "h"), ("IDENTITY_SERVER_THUMBPRINT", "AB12")], "Service Fabric"),
        (&[("MSI_ENDPOINT", "http://localhost:50342/oauth2/token")], "Azure Cloud Shell are not supported"),
        (&[("MSI_ENDPOINT", "http://127.0.0.1:46808"), ("MSI_SECRET", "s")], "Azure Machine Learning"),
        (&[(host, "169.254.169.254")], "`AZURE_POD_IDENTITY_AUTHORITY_HOST` is not a URL of http or https"),
        (&[(host, "ftp://169.254.169.254")], "is not a URL of http or https"),
        (&[(host, "http://user:hunter2@169.254.169.254")], "is not a URL of http or https"),
        (&[(host, "http://169.254.169.254/\u{e9}")], "holds more than visible ASCII"),
    ];
    each(rows, |(variables, says)| {
        let Place { cloud, mut sandbox, .. } = Place::virtual_machine();
        for (name, value) in variables {
            sandbox.env(name, value);
        }
        let outcome = sandbox.run(["token"]).exits(3).says(says);
        assert!(!outcome.text().contains("hunter2"), "{outcome:?}");
        assert_eq!(cloud.requests(), 0, "{says}");
    });
}

/// What changes requests between a program and its platform is found out by the platform.
#[test]
fn a_virtual_machine_refuses_requests_that_are_not_as_the_program_sent_them() {
    type Change = fn(&str) -> String;
    let rows: [(Change, &str); 4] = [
        (|head| head.replace("metadata: true\r\n", ""), "`bad_request_102`: Required metadata header not specified"),
        (
            |head| head.replacen("\r\n", "\r\nx-forwarded-for: 10.0.0.7\r\n", 1),
            "`invalid_request`: the request has come through a proxy",
        ),
        (|head| head.replace("=2018-02-01", "=2017-12-01"), "`invalid_request`: the API version is not supported"),
        (|head| head.replace("api-version=2018-02-01&", ""), "'api-version' is missing"),
    ];
    let through = |change: Change| {
        let mut place = Place::virtual_machine();
        let relay = Relay::start(place.cloud.address(), change);
        place.sandbox.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", format!("http://{}", relay.address()));
        (place, relay)
    };
    each(rows, |(change, says)| {
        let (Place { cloud, sandbox, .. }, _relay) = through(change);
        sandbox.run(["token"]).exits(5).says(says);
        assert_eq!(cloud.statuses(), [400], "{says}");
    });
    let (Place { cloud, sandbox, .. }, _relay) = through(str::to_owned);
    token(&sandbox);
    assert_eq!(cloud.statuses(), [200]);
}

#[test]
fn a_virtual_machine_may_answer_anything() {
    survives_troubles(Place::virtual_machine, |reply| reply);
    let html = Answer::Instead(Reply::html(200, "<html>portal</html>"));
    let text = r#"{"access_token":7,"token_type":"Bearer"}"#;
    let rows = [
        (html, 7, "cannot be read: it is not valid JSON"),
        (Answer::Instead(Reply::new(200, "application/json", "")), 7, "cannot be read"),
        (Answer::Instead(Reply::new(200, "application/json", text)), 10, "`access_token`: it is not a text"),
        (Answer::Instead(Reply::json(200, &json!({}))), 10, "`access_token`: it is missing"),
        (Answer::Instead(Reply::json(200, &json!({ "error": "invalid_request" }))), 5, "`invalid_request`"),
    ];
    each(rows, |(answer, exit, says)| {
        let Place { cloud, sandbox, .. } = Place::virtual_machine();
        cloud.always(answer);
        sandbox.run(["token"]).exits(exit).says(says);
    });
}

/// The type of an answer is not looked at, as in the vendor's own libraries; what is in it is.
#[test]
fn an_answer_of_another_type_is_read_all_the_same() {
    let Place { idp, cloud, sandbox } = Place::virtual_machine();
    let token = idp.workload_tokens()(json!({ "sub": "s", "aud": AUDIENCE }));
    let body = json!({ "access_token": token, "expires_in": "3599", "token_type": "Bearer" }).to_string();
    cloud.always(Answer::Instead(Reply::new(200, "text/plain", body)));
    assert_eq!(super::token(&sandbox), token);
}

#[test]
fn what_passes_by_itself_is_waited_for() {
    each([404, 410, 429, 500, 503], |status| {
        let Place { cloud, sandbox, .. } = Place::virtual_machine();
        cloud.script([Answer::Instead(Reply::json(status, &json!({ "error": "later" })))]);
        token(&sandbox);
        assert_eq!(cloud.statuses(), [status, 200]);
    });
}

/// A deadline for all attempts together, the shorter the less one of them may take: of the 40 s there are 3⅓ left here, so
/// the second attempt, after two seconds, is the last.
#[test]
fn what_does_not_pass_is_not_waited_for_for_ever() {
    let Place { cloud, mut sandbox, .. } = Place::virtual_machine();
    sandbox.env("MDB_LOGIN_HTTP_TIMEOUT", "1s");
    cloud.always(Answer::Instead(Reply::json(503, &json!({ "error": "later" }))));
    let outcome = sandbox.run(["token"]).exits(7).says("answered with status 503");
    assert_eq!(cloud.requests(), 2, "{outcome:?}");
    let took = outcome.took;
    assert!((Duration::from_millis(1600)..Duration::from_secs(7)).contains(&took), "{took:?}");
}

#[test]
fn outside_of_azure_it_is_known_soon() {
    let Place { cloud, sandbox, .. } = Place::virtual_machine();
    cloud.set_up(false);
    sandbox.run(["token"]).is("
        exit 7
        --- stderr
        error: cannot get a token from the metadata service of this virtual machine (IMDS)
          caused by: cannot reach http://127.0.0.1:[PORT]/metadata/identity/oauth2/token: Connection refused (os error 111)
          caused by: looked for App Service (`IDENTITY_ENDPOINT`), Azure Arc (`IMDS_ENDPOINT`, its agent), AKS (`AZURE_FEDERATED_TOKEN_FILE`) and a virtual machine
        hint: run this where the identity is; on a virtual machine, check that its firewall lets 169.254.169.254 be reached
    ");
}

/// Google and Amazon answer at the same address, with a 404 that Azure's would be waited for.
#[test]
fn in_another_cloud_it_is_known_soon() {
    each([("metadata-flavor", "Google"), ("server", "EC2ws")], |(name, value)| {
        let Place { cloud, sandbox, .. } = Place::virtual_machine();
        cloud.always(Answer::Instead(Reply::html(404, "<title>404</title>").header(name, value)));
        sandbox.run(["token"]).exits(7).says("is not the metadata service of this virtual machine").says("looked for");
        assert_eq!(cloud.requests(), 1);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_swallows_everything_is_given_up_within_a_second() {
    let Place { mut sandbox, .. } = Place::virtual_machine();
    swallowed(&mut sandbox, "AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://", "and a virtual machine");
}

#[test]
fn the_platform_s_clock_decides_and_this_computer_s_is_allowed_for() {
    for ahead in [-7200, 7200] {
        let Place { idp, cloud, sandbox } = Place::virtual_machine();
        idp.change(|behaviour| behaviour.clock_ahead = ahead);
        cloud.set_clock_ahead(ahead);
        let first = token(&sandbox);
        assert_eq!(token(&sandbox), first, "{ahead}: what is good at the platform is not kept");
        assert_eq!(cloud.requests(), 1);
    }
}

#[test]
fn app_service_wants_its_header() {
    let Place { cloud, mut sandbox, .. } = app_service();
    token(&sandbox);
    let asked = cloud.log().remove(0);
    assert_eq!(asked.query.as_deref(), Some("api-version=2019-08-01&resource=api%3A%2F%2Fmongodb"));
    let unknown = "client_id:00000009-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
    sandbox.run(["token", "--identity", unknown]).exits(5).says("No User Assigned").says("check `identity`");
    // A resource that the tenant does not know looks like a passing trouble there.
    sandbox.run(["token", "--resource", "api://nobody"]).exits(7).says("status 500: An unexpected error");
    sandbox.env("IDENTITY_HEADER", "rotated-since");
    sandbox.run(["token", "--force-refresh"]).exits(5).says("The identity header is missing or wrong");
    sandbox.env("IDENTITY_HEADER", "a\nb");
    sandbox.run(["token", "--force-refresh"]).exits(3).says("`IDENTITY_HEADER` holds more than visible ASCII");
}

#[test]
fn app_service_may_answer_anything() {
    survives_troubles(app_service, |reply| reply);
    let Place { cloud, sandbox, .. } = app_service();
    cloud.always(Answer::Instead(Reply::html(200, "<html>portal</html>")));
    sandbox.run(["token"]).exits(7).says("cannot be read: it is not valid JSON");
    cloud.set_up(false);
    absent(&sandbox, "looked for App Service");
}

#[test]
fn a_pod_s_account_stands_for_the_application_that_trusts_it() {
    let place = pod_for_mongodb();
    let first = token(&place.sandbox);
    assert_eq!(claims(&first)["azp"], json!(about(&place.cloud, |entra| entra.client_id.clone())));
    // The kubelet's next token is used as soon as it is there.
    project(&place, json!({ "exp": 1_000_000_000 }));
    let arguments = ["token", "--force-refresh"];
    place.sandbox.run(arguments).exits(5).says("AADSTS700024");
    project(&place, json!({}));
    place.sandbox.run(arguments).exits(0);
    assert_eq!(place.cloud.statuses(), [200, 401, 200]);
}

#[test]
fn entra_refuses_who_is_not_trusted() {
    type Change = fn(&mut Place<Entra>);
    let rows: [(Change, i32, &str, &str); 8] = [
        (|place| project(place, json!({ "exp": 1_000_000_000 })), 5, "AADSTS700024", "check the federated credential"),
        (
            |place| project(place, json!({ "aud": ["api://other"] })),
            5,
            "AADSTS700212",
            "check the federated credential",
        ),
        (|place| project(place, json!({ "iss": "https://other" })), 5, "AADSTS700211", "its issuer is the cluster's"),
        (|place| project(place, json!({ "sub": "s" })), 5, "AADSTS700213", "`system:serviceaccount:NAMESPACE:NAME`"),
        (
            |place| {
                let mut token = about(&place.cloud, |entra| entra.service_account_token(json!({})));
                token.push_str("AAAA");
                write(&place.sandbox, token.as_bytes(), 0o644);
            },
            5,
            "AADSTS700027",
            "check the federated credential",
        ),
        (|place| _ = place.sandbox.env("AZURE_TENANT_ID", "other.example.com"), 5, "AADSTS90002", ""),
        (|place| _ = place.sandbox.env("AZURE_CLIENT_ID", "another"), 5, "AADSTS700016", ""),
        (|place| _ = place.sandbox.env("MDB_LOGIN_RESOURCE", "api://nobody"), 5, "AADSTS500011", "check `resource`"),
    ];
    each(rows, |(change, exit, says, hint)| {
        let mut place = pod();
        change(&mut place);
        place.sandbox.run(["token"]).exits(exit).says(says).says(hint);
    });
}

#[cfg(unix)]
#[test]
fn what_is_wrong_in_the_pod_is_named_before_anybody_is_asked() {
    type Change = fn(&mut Place<Entra>);
    let rows: [(Change, i32, &str); 11] = [
        (|place| write(&place.sandbox, b"a.b.c", 0o646), 3, "can be written by others"),
        (|place| write(&place.sandbox, b"a.b.c", 0o664), 3, "can be written by others"),
        (|place| write(&place.sandbox, b"", 0o644), 3, "must give the federated token and nothing else"),
        (|place| write(&place.sandbox, b"a.b.c\nd", 0o644), 3, "must give the federated token and nothing else"),
        (|place| write(&place.sandbox, &[b'a'; 17 * 1024], 0o644), 3, "gave more than 16384 bytes"),
        (
            |place| std::fs::remove_file(place.sandbox.home().join("azure-identity-token")).unwrap(),
            3,
            "the file is named by `AZURE_FEDERATED_TOKEN_FILE`",
        ),
        (|place| _ = place.sandbox.unset("AZURE_TENANT_ID"), 3, "`AZURE_TENANT_ID` is not set"),
        (|place| _ = place.sandbox.unset("AZURE_CLIENT_ID"), 3, "`AZURE_CLIENT_ID` is not set"),
        (|place| _ = place.sandbox.env("AZURE_TENANT_ID", "a/b"), 3, "`AZURE_TENANT_ID` is not the id or domain"),
        (
            |place| _ = place.sandbox.env("AZURE_AUTHORITY_HOST", "http://login.example.com"),
            3,
            "`AZURE_AUTHORITY_HOST` must start with `https://`",
        ),
        (|place| _ = place.sandbox.env("MDB_LOGIN_IDENTITY", "object_id:1"), 3, "`identity` must be `client_id:ID`"),
    ];
    each(rows, |(change, exit, says)| {
        let mut place = pod();
        change(&mut place);
        place.sandbox.run(["token"]).exits(exit).says(says);
        assert_eq!(place.cloud.requests(), 0, "{says}");
    });
}

#[test]
fn entra_may_answer_anything() {
    survives_troubles(pod_for_mongodb, |reply| reply);
    let place = pod();
    place.cloud.set_up(false);
    place.sandbox.run(["token"]).exits(7).says("cannot reach");
}
