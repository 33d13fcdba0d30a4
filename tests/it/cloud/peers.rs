//! The peers themselves: each refuses what its vendor refuses. A peer that is too kind proves nothing.

use serde_json::{Value, json};
use url::Url;

use crate::support::browser::http::{Exchange, send};
use crate::support::cloud::azure::{AppService, Arc, Entra, Imds, ManagedIdentity, RESOURCE};
use crate::support::cloud::github::Actions;
use crate::support::cloud::google::{Google, Metadata};
use crate::support::cloud::kubernetes::ApiServer;
use crate::support::cloud::place::AUDIENCE;
use crate::support::cloud::{Cloud, Minter, Platform};
use crate::support::idp::{Idp, Key, jwt};

/// One request, and what came back.
fn ask<P: Platform>(
    cloud: &Cloud<P>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Exchange {
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    send(method, &Url::parse(&cloud.url(path)).unwrap(), &headers, body.map(str::as_bytes)).unwrap()
}

fn get<P: Platform>(cloud: &Cloud<P>, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let exchange = ask(cloud, "GET", path, headers, None);
    (exchange.status, exchange.text())
}

#[track_caller]
fn refused((status, text): (u16, String), expected: u16, words: &str) {
    assert!(status == expected && text.contains(words), "{status} {text}");
}

#[test]
fn imds_refuses_what_azure_refuses() {
    let idp = Idp::start();
    let cloud = Cloud::start(Imds::new(Minter::of(&idp)));
    let at = |query: &str| format!("/metadata/identity/oauth2/token?{query}");
    let good = at("api-version=2018-02-01&resource=api://mongodb");
    let metadata = [("Metadata", "true")];
    assert_eq!(get(&cloud, &good, &metadata).0, 200);
    refused(get(&cloud, &good, &[]), 400, "bad_request_102");
    refused(get(&cloud, &good, &[("Metadata", "True")]), 400, "bad_request_102");
    refused(get(&cloud, &good, &[("Metadata", "true"), ("X-Forwarded-For", "10.0.0.1")]), 400, "proxy");
    for (query, words) in [
        ("resource=api://mongodb", "'api-version' is missing"),
        ("api-version=2017-09-01&resource=api://mongodb", "version is not supported"),
        ("api-version=2018-02-01", "'resource' is missing"),
        ("api-version=2018-02-01&resource=api://other", "invalid_resource"),
        ("api-version=2018-02-01&resource=api://mongodb&client_id=nobody", "Identity not found"),
        ("api-version=2018-02-01&resource=api://mongodb&mi_res_id=x", "does not belong here"),
        ("api-version=2018-02-01&resource=api://mongodb&resource=b", "is there twice"),
        ("api-version=2018-02-01&resource=api://mongodb&client_id=a&object_id=b", "more than one"),
    ] {
        refused(get(&cloud, &at(query), &metadata), 400, words);
    }
    refused(get(&cloud, "/metadata/instance?api-version=2018-02-01", &metadata), 404, "");
    assert_eq!(ask(&cloud, "POST", &good, &metadata, Some("")).status, 404);
    let answer: Value = serde_json::from_str(&get(&cloud, &good, &metadata).1).unwrap();
    assert!(answer["expires_in"].is_string() && answer["expires_on"].is_string(), "{answer}");
}

#[test]
fn app_service_refuses_what_azure_refuses() {
    let idp = Idp::start();
    let cloud = Cloud::start(AppService::new(Minter::of(&idp), "h"));
    let header = [("X-IDENTITY-HEADER", "h")];
    let at = |query: &str| format!("/msi/token?{query}");
    let good = at("api-version=2019-08-01&resource=api://mongodb");
    assert_eq!(get(&cloud, &good, &header).0, 200);
    refused(get(&cloud, &good, &[]), 401, "identity header");
    refused(get(&cloud, &good, &[("X-IDENTITY-HEADER", "x")]), 401, "identity header");
    refused(get(&cloud, &good, &[("Metadata", "true")]), 401, "identity header");
    refused(get(&cloud, &at("api-version=2018-02-01&resource=api://mongodb"), &header), 400, "version");
    refused(get(&cloud, &at("api-version=2019-08-01"), &header), 400, "resource");
    refused(get(&cloud, &format!("{good}&msi_res_id=x"), &header), 400, "does not belong here");
    refused(get(&cloud, &format!("{good}&client_id=x"), &header), 400, "No User Assigned");
    refused(get(&cloud, &at("api-version=2019-08-01&resource=api://other"), &header), 500, "");
    let answer: Value = serde_json::from_str(&get(&cloud, &good, &header).1).unwrap();
    assert!(answer.get("expires_in").is_none() && answer["expires_on"].is_string(), "{answer}");
}

#[test]
fn arc_gives_nothing_without_the_challenge_s_answer() {
    let idp = Idp::start();
    let folder = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(Arc::new(Minter::of(&idp), folder.path().to_owned()));
    let path = "/metadata/identity/oauth2/token?api-version=2020-06-01&resource=api://mongodb";
    let challenge = || {
        let first = ask(&cloud, "GET", path, &[("Metadata", "true")], None);
        assert_eq!(first.status, 401);
        let realm = first.header("www-authenticate").unwrap().strip_prefix("Basic realm=").unwrap().to_owned();
        let name = realm.strip_prefix("/var/opt/azcmagent/tokens/").unwrap();
        format!("Basic {}", std::fs::read_to_string(folder.path().join(name)).unwrap())
    };
    let present = |authorization: &str| get(&cloud, path, &[("Metadata", "true"), ("Authorization", authorization)]).0;
    let secret = challenge();
    assert_eq!(present("Basic x"), 401);
    assert_eq!(present(&secret.replace("Basic", "Bearer")), 401);
    refused(get(&cloud, path, &[("Authorization", &secret)]), 400, "bad_request_102");
    assert_eq!(present(&secret), 200);
    assert_eq!(present(&secret), 401, "a challenge is good for once");
    // What an older agent does with an identity that it does not look at.
    cloud.change(|arc| arc.legacy = true);
    let secret = challenge();
    let other = format!("{path}&client_id={}", ManagedIdentity::new("other", 2).client_id);
    assert_eq!(get(&cloud, &other, &[("Metadata", "true"), ("Authorization", &secret)]).0, 200);
}

#[test]
fn entra_refuses_what_entra_refuses() {
    let idp = Idp::start();
    let cloud = Cloud::start(Entra::new(Minter::of(&idp)));
    let (mut path, mut client, mut assertion) = (String::new(), String::new(), String::new());
    cloud.change(|entra| {
        path = format!("/{}/oauth2/v2.0/token", entra.tenant);
        client = entra.client_id.clone();
        assertion = entra.service_account_token(json!({}));
    });
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let scope = format!("{RESOURCE}/.default");
    let good = [
        ("grant_type", "client_credentials"),
        ("client_id", &client),
        ("scope", &scope),
        ("client_assertion_type", kind),
        ("client_assertion", &assertion),
    ];
    let post = |fields: &[(&str, &str)], path: &str| {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let exchange = ask(&cloud, "POST", path, &form, Some(&body));
        (exchange.status, exchange.text())
    };
    assert_eq!(post(&good, &path).0, 200);
    refused(post(&good, "/other/oauth2/v2.0/token"), 400, "AADSTS90002");
    let wrong_key = jwt::sign(Key::First, &json!({}));
    for (field, value, status, words) in [
        ("grant_type", "authorization_code", 400, "AADSTS70003"),
        ("client_id", "other", 400, "AADSTS700016"),
        ("scope", RESOURCE, 400, "AADSTS1002012"),
        ("scope", "api://other/.default", 400, "AADSTS500011"),
        ("client_assertion_type", "jwt", 400, "client_assertion_type"),
        ("client_assertion", "a.b.c", 401, "AADSTS700027"),
        ("client_assertion", &wrong_key, 401, "AADSTS700027"),
        ("resource", RESOURCE, 400, "does not belong here"),
    ] {
        let mut fields: Vec<_> = good.iter().copied().filter(|(name, _)| *name != field).collect();
        fields.push((field, value));
        refused(post(&fields, &path), status, words);
    }
    refused(get(&cloud, &path, &[]), 400, "AADSTS900561");
    let json_body = ask(&cloud, "POST", &path, &[("Content-Type", "application/json")], Some("{}"));
    assert_eq!(json_body.status, 400);
}

#[test]
fn google_s_metadata_server_refuses_what_google_refuses() {
    let idp = Idp::start();
    let cloud = Cloud::start(Metadata::new(Minter::of(&idp)));
    let at = |rest: &str| format!("/computeMetadata/v1/instance/service-accounts/{rest}");
    let google = [("Metadata-Flavor", "Google")];
    let good = at("default/identity?audience=a");
    assert_eq!(get(&cloud, &good, &google).0, 200);
    assert_eq!(ask(&cloud, "GET", &good, &[], None).header("metadata-flavor"), Some("Google"));
    refused(get(&cloud, &good, &[]), 403, "Missing Metadata-Flavor:Google header");
    refused(get(&cloud, &good, &[("Metadata-Flavor", "google")]), 403, "");
    refused(get(&cloud, &good, &[("Metadata-Flavor", "Google"), ("X-Forwarded-For", "1")]), 403, "X-Forwarded-For");
    refused(get(&cloud, &at("default/identity"), &google), 400, "non-empty audience parameter required");
    refused(get(&cloud, &at("default/identity?audience="), &google), 400, "non-empty audience");
    refused(get(&cloud, &at("default/identity?audience=a&audience=b"), &google), 400, "duplicate");
    refused(get(&cloud, &at("default/identity?audience=a&format=fuller"), &google), 400, "unknown format");
    refused(get(&cloud, &at("default/identity?aud=a"), &google), 400, "unknown");
    refused(get(&cloud, &at("nobody@project/identity?audience=a"), &google), 404, "not defined");
    refused(get(&cloud, "/computeMetadata/v1/project/", &google), 404, "");
    let (_, standard) = get(&cloud, &good, &google);
    assert!(jwt::claims(&standard).get("email").is_none());
}

#[test]
fn google_s_services_refuse_what_google_refuses() {
    let idp = Idp::start();
    let cloud = Cloud::start_knowing(|address| Google::new(Minter::of(&idp), address));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = |change: Value| {
        let mut claims = json!({
            "iss": "builder@project.iam.gserviceaccount.com", "aud": cloud.url("/token"), "iat": now, "exp": now + 300,
            "target_audience": AUDIENCE,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    };
    let exchange = |assertion: &str| {
        let fields = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let exchange = ask(&cloud, "POST", "/token", &form, Some(&body));
        (exchange.status, exchange.text())
    };
    assert_eq!(exchange(&jwt::sign(Key::Second, &claims(json!({})))).0, 200);
    refused(exchange(&jwt::sign(Key::First, &claims(json!({})))), 400, "Invalid JWT Signature");
    for (change, words) in [
        (json!({ "iss": "other@project" }), "account not found"),
        (json!({ "aud": "https://oauth2.googleapis.com/token" }), "audience"),
        (json!({ "exp": now - 1 }), "short-lived"),
        (json!({ "iat": now + 300, "exp": now + 600 }), "short-lived"),
        (json!({ "exp": now + 3700 }), "short-lived"),
        (json!({ "target_audience": null }), "invalid_scope"),
        (json!({ "scope": "https://www.googleapis.com/auth/iam" }), "invalid_scope"),
        (json!({ "target_audience": null, "scope": "email" }), "invalid_scope"),
    ] {
        refused(exchange(&jwt::sign(Key::Second, &claims(change))), 400, words);
    }
    // An account is lent to whoever has an access token of one that may have it.
    cloud.change(|google| google.access_tokens.push("ya29.good".into()));
    let lend = |account: &str, bearer: &str, body: &str, media_type: &str| {
        let path = format!("/v1/projects/-/serviceAccounts/{account}@project.iam.gserviceaccount.com:generateIdToken");
        let headers = [("Authorization", bearer), ("Content-Type", media_type)];
        let exchange = ask(&cloud, "POST", &path, &headers, Some(body));
        (exchange.status, exchange.text())
    };
    let (good, json) = (r#"{"audience":"a"}"#, "application/json");
    assert_eq!(lend("orders", "Bearer ya29.good", good, json).0, 200);
    refused(lend("orders", "Bearer other", good, json), 401, "UNAUTHENTICATED");
    refused(lend("payroll", "Bearer ya29.good", good, json), 403, "PERMISSION_DENIED");
    refused(lend("nobody", "Bearer ya29.good", good, json), 404, "NOT_FOUND");
    refused(lend("orders", "Bearer ya29.good", "{}", json), 400, "audience is required");
    refused(lend("orders", "Bearer ya29.good", r#"{"audience":"a","include_email":true}"#, json), 400, "Unknown name");
    refused(lend("orders", "Bearer ya29.good", good, "text/plain"), 400, "content-type");
}

#[test]
fn an_api_server_refuses_what_kubernetes_refuses() {
    let idp = Idp::start();
    let cloud = Cloud::start(ApiServer::new(Minter::of(&idp)));
    let good = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "audiences": ["a"], "expirationSeconds": 600 },
    });
    let bearer = format!("Bearer {}", ApiServer::pod_token(json!({})));
    let post = |account: &str, bearer: &str, body: &Value| {
        let (namespace, name) = account.split_once('/').unwrap();
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let headers = [("Authorization", bearer), ("Content-Type", "application/json")];
        let exchange = ask(&cloud, "POST", &path, &headers, Some(&body.to_string()));
        (exchange.status, exchange.text())
    };
    assert_eq!(post("shop/orders", &bearer, &good).0, 201);
    refused(post("shop/orders", "Bearer a.b.c", &good), 401, "Unauthorized");
    let expired = format!("Bearer {}", ApiServer::pod_token(json!({ "exp": 1 })));
    refused(post("shop/orders", &expired, &good), 401, "Unauthorized");
    refused(post("kube-system/root", &bearer, &good), 403, "cannot create resource");
    refused(post("shop/nobody", &bearer, &good), 404, "not found");
    for (pointer, value, status, words) in [
        ("/spec/expirationSeconds", json!(599), 422, "less than 10 minutes"),
        ("/spec/audiences", json!([]), 422, "spec.audiences"),
        ("/kind", json!("Token"), 400, "unrecognized"),
        ("/apiVersion", json!("v1"), 400, "unrecognized"),
    ] {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        refused(post("shop/orders", &bearer, &body), status, words);
    }
    refused(
        get(&cloud, "/api/v1/namespaces/shop/serviceaccounts/orders/token", &[("Authorization", &bearer)]),
        405,
        "",
    );
}

#[test]
fn actions_refuses_what_github_refuses() {
    let idp = Idp::start();
    let cloud = Cloud::start(Actions::new(Minter::of(&idp)));
    let mut bearer = String::new();
    cloud.change(|actions| bearer = format!("bearer {}", actions.request_token));
    let (path, good) = (Actions::PATH, [("Authorization", bearer.as_str())]);
    assert_eq!(get(&cloud, path, &good).0, 200);
    refused(get(&cloud, path, &[]), 401, "request token");
    refused(get(&cloud, path, &[("Authorization", "bearer other")]), 401, "request token");
    refused(get(&cloud, "/abc/idtoken/run/1/job/2", &good), 400, "api-version");
    refused(get(&cloud, &format!("{path}?audience=a"), &good), 400, "api-version");
    refused(get(&cloud, &format!("{path}&audience=a&audience=b"), &good), 400, "twice");
    refused(get(&cloud, "/other?api-version=2.0", &good), 404, "");
}
