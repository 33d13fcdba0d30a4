//! Google: the metadata server, the key of a service account, and accounts that are lent.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{absent, survives_troubles, token};
use crate::cases::each;
use crate::support::cloud::google::{Google, ServiceAccount};
use crate::support::cloud::place::{AUDIENCE, Place, at_google};
use crate::support::cloud::{Cloud, Minter, Relay};
use crate::support::cmd::Sandbox;
use crate::support::idp::jwt::claims;
use crate::support::idp::{Answer, Idp, Key, Reply};

const IAM: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS";

/// A computer that is not at Google and has the key of an account.
pub(super) fn with_key() -> Place<Google> {
    let idp = Idp::start();
    let cloud = Cloud::start_knowing(|address| Google::new(Minter::of(&idp), address));
    let mut sandbox = at_google(&idp);
    sandbox.env("GOOGLE_APPLICATION_CREDENTIALS", key_path(&sandbox)).env(IAM, cloud.url("/"));
    let place = Place { idp, cloud, sandbox };
    let file = file(&place);
    write(&place.sandbox, file.to_string().as_bytes(), 0o600);
    place
}

fn file(place: &Place<Google>) -> Value {
    let mut file = Value::Null;
    place.cloud.change(|google| file = google.key_file());
    file
}

fn key_path(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join("key.json")
}

fn write(sandbox: &Sandbox, bytes: &[u8], mode: u32) {
    let path = key_path(sandbox);
    std::fs::write(&path, bytes).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let _ = mode;
}

/// What marks an answer of the metadata server.
fn flavoured(reply: Reply) -> Reply {
    reply.header("metadata-flavor", "Google")
}

#[test]
fn a_machine_s_token_is_asked_for_once_in_its_life() {
    let Place { cloud, sandbox, .. } = Place::machine();
    let first = token(&sandbox);
    assert_eq!(claims(&first)["email"], "orders@project.iam.gserviceaccount.com");
    assert_eq!(token(&sandbox), first);
    assert_eq!(cloud.requests(), 1);
    let asked = cloud.log().remove(0);
    assert_eq!(asked.path, "/computeMetadata/v1/instance/service-accounts/default/identity");
    assert_eq!(asked.query.as_deref(), Some("audience=mongodb%3A%2F%2Forders&format=full"));
}

#[test]
fn a_machine_has_the_accounts_that_it_has() {
    let Place { cloud, mut sandbox, .. } = Place::machine();
    cloud.change(|metadata| metadata.accounts.push(ServiceAccount::new("reports", 7)));
    let named =
        |name: &str| ["token".to_owned(), "--identity".to_owned(), format!("{name}@project.iam.gserviceaccount.com")];
    let given = sandbox.run(named("reports")).exits(0).stdout();
    assert_eq!(claims(given.trim_end())["sub"], json!(ServiceAccount::new("reports", 7).unique_id));
    sandbox.run(named("nobody")).exits(5).says("`status 404`").says("check `identity`");
    // Whoever names an account means the machine's, whatever key lies about.
    sandbox.env("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere");
    sandbox.run(named("orders")).exits(0);
    sandbox.run(["token"]).exits(3).says("the file is named by `GOOGLE_APPLICATION_CREDENTIALS`");
}

/// What changes requests between a program and its platform is found out by the platform.
#[test]
fn a_machine_refuses_requests_that_are_not_as_the_program_sent_them() {
    type Change = fn(&str) -> String;
    let rows: [(Change, u16, &str); 4] = [
        (|head| head.replace("metadata-flavor: Google\r\n", ""), 403, "`status 403`"),
        (|head| head.replacen("\r\n", "\r\nx-forwarded-for: 10.0.0.7\r\n", 1), 403, "`status 403`"),
        (|head| head.replace("audience=mongodb%3A%2F%2Forders&", ""), 400, "`status 400`"),
        (|head| head.replace("/computeMetadata/v1/", "/computeMetadata/v1beta1/"), 404, "`status 404`"),
    ];
    let through = |change: Change| {
        let mut place = Place::machine();
        let relay = Relay::start(place.cloud.address(), change);
        place.sandbox.env("GCE_METADATA_HOST", relay.address().to_string());
        (place, relay)
    };
    each(rows, |(change, status, says)| {
        let (Place { cloud, sandbox, .. }, _relay) = through(change);
        sandbox.run(["token"]).exits(5).says(says);
        assert_eq!(cloud.statuses(), [status]);
    });
    let (Place { cloud, sandbox, .. }, _relay) = through(str::to_owned);
    token(&sandbox);
    assert_eq!(cloud.statuses(), [200]);
}

#[test]
fn a_machine_may_answer_anything() {
    survives_troubles(Place::machine, flavoured);
    let page = || Reply::html(200, "<html>portal</html>");
    let rows = [
        // What does not bear the server's mark is not the server's, whatever it says.
        (Answer::Instead(page()), 7, "is not Google's metadata server"),
        (Answer::Instead(Reply::json(404, &json!({}))), 7, "is not Google's metadata server"),
        (Answer::Instead(page().header("metadata-flavor", "Other")), 7, "is not Google's metadata server"),
        (Answer::Instead(flavoured(page())), 10, "is not a JWT"),
        (Answer::Instead(flavoured(Reply::new(200, "text/html", vec![0xff, 0xfe]))), 7, "it is not text"),
        (
            Answer::Instead(flavoured(Reply::new(400, "text/html", "non-empty audience parameter required"))),
            5,
            "non-empty audience",
        ),
    ];
    each(rows, |(answer, exit, says)| {
        let Place { cloud, sandbox, .. } = Place::machine();
        cloud.always(answer);
        sandbox.run(["token"]).exits(exit).says(says);
    });
}

#[test]
fn outside_of_google_it_is_known_soon() {
    let Place { cloud, mut sandbox, .. } = Place::machine();
    cloud.set_up(false);
    absent(&sandbox, "looked for a key (`credentials_file`, `GOOGLE_APPLICATION_CREDENTIALS`)");
    sandbox.env("GCE_METADATA_HOST", "http://169.254.169.254/");
    sandbox.run(["token"]).exits(3).says("`GCE_METADATA_HOST` is not a host");
    #[cfg(target_os = "linux")]
    super::swallowed(&mut sandbox, "GCE_METADATA_HOST", "", "and for the metadata server");
}

#[test]
fn what_passes_by_itself_is_waited_for() {
    each([429, 500, 503], |status| {
        let Place { cloud, sandbox, .. } = Place::machine();
        cloud.script([Answer::Instead(flavoured(Reply::html(status, "")))]);
        token(&sandbox);
        assert_eq!(cloud.statuses(), [status, 200]);
    });
}

#[test]
fn a_key_signs_for_its_account() {
    let place = with_key();
    let first = token(&place.sandbox);
    assert_eq!(
        (&claims(&first)["email"], &claims(&first)["aud"]),
        (&json!("builder@project.iam.gserviceaccount.com"), &json!(AUDIENCE))
    );
    assert_eq!(token(&place.sandbox), first);
    assert_eq!(place.cloud.requests(), 1);
    // The setting says the same, and before the variable.
    let mut other = with_key();
    let path = key_path(&other.sandbox);
    other.sandbox.env("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere").env("MDB_LOGIN_CREDENTIALS_FILE", path);
    token(&other.sandbox);
}

#[test]
fn google_refuses_what_the_key_is_not_good_for() {
    type Change = fn(&mut Google);
    let rows: [(Change, &str); 3] = [
        (|google| google.key = Key::First, "`invalid_grant`: Invalid JWT Signature."),
        (|google| google.account = ServiceAccount::new("deleted", 9), "account not found"),
        (|google| google.account.email = "moved@project.iam.gserviceaccount.com".into(), "account not found"),
    ];
    each(rows, |(change, says)| {
        let place = with_key();
        place.cloud.change(change);
        place.sandbox.run(["token"]).exits(5).says(says).says("has not been deleted at Google");
    });
    survives_troubles(with_key, |reply| reply);
    let place = with_key();
    place.cloud.always(Answer::Instead(Reply::html(200, "<html>portal</html>")));
    place.sandbox.run(["token"]).exits(7).says("cannot be read: it is not valid JSON");
    place.cloud.always(Answer::Instead(Reply::json(200, &json!({ "access_token": "a" }))));
    place.sandbox.run(["token"]).exits(10).says("its field `id_token` holds no token");
    place.cloud.set_up(false);
    place.sandbox.run(["token"]).exits(7).says("cannot reach");
}

#[cfg(unix)]
#[test]
fn what_is_wrong_with_the_key_s_file_is_named_and_nobody_is_asked() {
    type Change = fn(Value) -> String;
    let rows: [(Change, u32, &str); 10] = [
        (|file| file.to_string(), 0o644, "can be read by others"),
        (|file| file.to_string(), 0o640, "can be read by others"),
        (|_| String::new(), 0o600, "(line 1, column 0)"),
        (|file| format!("{{\n{file}"), 0o600, "is not the JSON of a service account's key (line 2, column"),
        (
            |file| json!({ "type": "authorized_user", "client_id": file["client_id"] }).to_string(),
            0o600,
            "is of the type `authorized_user`",
        ),
        (|file| without(file, "client_email"), 0o600, "has no `client_email`"),
        (|file| without(file, "private_key"), 0o600, "has no `private_key`"),
        (
            |file| with(file, "private_key", json!("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n")),
            0o600,
            "has a `private_key` that holds no RSA key",
        ),
        (
            |file| with(file, "token_uri", json!("http://evil.example/token")),
            0o600,
            "has a `token_uri` that is not a URL of https",
        ),
        (|file| format!("{file}{}", " ".repeat(70_000)), 0o600, "is longer than 64 KiB"),
    ];
    each(rows, |(change, mode, says)| {
        let place = with_key();
        let text = change(file(&place));
        write(&place.sandbox, text.as_bytes(), mode);
        let outcome = place.sandbox.run(["token"]).exits(3).says(says).says("key.json");
        assert!(!outcome.text().contains("BEGIN PRIVATE"), "{outcome:?}");
        assert_eq!(place.cloud.requests(), 0, "{says}");
    });
}

fn without(mut file: Value, field: &str) -> String {
    file.as_object_mut().unwrap().remove(field);
    file.to_string()
}

fn with(mut file: Value, field: &str, value: Value) -> String {
    file[field] = value;
    file.to_string()
}

#[test]
fn an_account_is_lent_to_whoever_may_have_it() {
    let lent = |sandbox: &Sandbox, name: &str| {
        sandbox.run(["token", "--impersonate", &format!("{name}@project.iam.gserviceaccount.com")])
    };
    // From a key.
    let place = with_key();
    let given = lent(&place.sandbox, "orders").exits(0).stdout();
    assert_eq!(claims(given.trim_end())["email"], "orders@project.iam.gserviceaccount.com");
    lent(&place.sandbox, "payroll").exits(5).says("`PERMISSION_DENIED`").says("iam.serviceAccountOpenIdTokenCreator");
    lent(&place.sandbox, "nobody").exits(5).says("`NOT_FOUND`");
    // From the machine.
    let Place { cloud, mut sandbox, .. } = Place::machine();
    let mut access_token = String::new();
    cloud.change(|metadata| access_token = metadata.access_token.clone());
    sandbox.env(IAM, place.cloud.url("/"));
    lent(&sandbox, "orders").exits(5).says("`UNAUTHENTICATED`");
    place.cloud.change(|google| google.access_tokens.push(access_token));
    sandbox.env("MDB_LOGIN_ISSUER", place.idp.issuer());
    let given = lent(&sandbox, "orders").exits(0).stdout();
    assert_eq!(claims(given.trim_end())["email"], "orders@project.iam.gserviceaccount.com");
    let scopes = "scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fiam";
    assert_eq!(cloud.log().last().unwrap().query.as_deref(), Some(scopes));
    sandbox.env(IAM, "http://iam.example.com/");
    lent(&sandbox, "orders").exits(0);
    let arguments = ["token", "--force-refresh", "--impersonate", "orders@project.iam.gserviceaccount.com"];
    sandbox.run(arguments).exits(3).says("must start with `https://`");
}
