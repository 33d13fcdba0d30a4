//! The TokenRequest endpoint of a Kubernetes API server. From kubernetes.io: the API reference of `TokenRequest`
//! (`authentication.k8s.io/v1`), and "Managing service accounts".

use serde_json::{Value, json};

use super::{Minter, Platform, credentials, json_body, now};
use crate::support::idp::{Key, jwt};
use crate::support::peer::{Arrived, Reply};

/// An API server, and the service accounts that it knows.
pub struct ApiServer {
    /// `NAMESPACE/NAME`: for these the pod may request tokens.
    pub allowed: Vec<String>,
    /// `NAMESPACE/NAME`: these exist, and the pod may not.
    pub forbidden: Vec<String>,
    mint: Minter,
}

/// The API server's own audience, and the key that signs the tokens for it.
const AUDIENCE: &str = "https://kubernetes.default.svc";
const KEY: Key = Key::Second;

impl ApiServer {
    pub fn new(mint: Minter) -> Self {
        Self { allowed: vec!["shop/orders".to_owned()], forbidden: vec!["kube-system/root".to_owned()], mint }
    }

    /// The token that the kubelet writes into a pod for this API server.
    pub fn pod_token(change: Value) -> String {
        let mut claims = json!({
            "iss": AUDIENCE, "sub": "system:serviceaccount:shop:default", "aud": [AUDIENCE], "iat": now(), "exp": now() + 3600,
        });
        for (name, value) in change.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        jwt::sign(KEY, &claims)
    }

    fn token(&self, request: &Arrived) -> Result<Reply, (u16, &'static str, String)> {
        let claims = credentials(request, "Bearer").and_then(|token| KEY.verify(token).ok());
        let is_good = |claims: &Value| {
            claims["exp"].as_u64().is_some_and(|exp| exp > now()) && claims["aud"] == json!([AUDIENCE])
        };
        let who = claims.filter(is_good).ok_or((401, "Unauthorized", "Unauthorized".to_owned()))?;
        let words: Vec<&str> = request.path.split('/').collect();
        let ["", "api", "v1", "namespaces", namespace, "serviceaccounts", name, "token"] = words.as_slice() else {
            return Err((404, "NotFound", "the server could not find the requested resource".to_owned()));
        };
        if request.method != "POST" {
            return Err((405, "MethodNotAllowed", "the server does not allow this method".to_owned()));
        }
        let account = format!("{namespace}/{name}");
        if self.forbidden.contains(&account) {
            let user = who["sub"].as_str().unwrap_or_default();
            let why = format!(
                "serviceaccounts \"{name}\" is forbidden: User \"{user}\" cannot create resource \"serviceaccounts/token\" in API group \"\" in the namespace \"{namespace}\""
            );
            return Err((403, "Forbidden", why));
        }
        if !self.allowed.contains(&account) {
            return Err((404, "NotFound", format!("serviceaccounts \"{name}\" not found")));
        }
        let body = json_body(request).map_err(|why| (415, "UnsupportedMediaType", why))?;
        if body["kind"] != "TokenRequest" || body["apiVersion"] != "authentication.k8s.io/v1" {
            return Err((400, "BadRequest", "the object provided is unrecognized".to_owned()));
        }
        let invalid =
            |why: &str| (422, "Invalid", format!("TokenRequest.authentication.k8s.io \"\" is invalid: {why}"));
        let spec = &body["spec"];
        let seconds = spec["expirationSeconds"].as_u64().unwrap_or(3600);
        if seconds < 600 {
            return Err(invalid(
                "spec.expirationSeconds: Invalid value: may not specify a duration less than 10 minutes",
            ));
        }
        let audiences = spec["audiences"].as_array().filter(|audiences| !audiences.is_empty());
        let audiences = audiences.ok_or_else(|| invalid("spec.audiences: Required value"))?;
        let token = self.mint.mint(json!({
            "sub": format!("system:serviceaccount:{namespace}:{name}"), "aud": audiences,
            "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": name } },
        }));
        let mut answer = body.clone();
        answer["status"] = json!({ "token": token, "expirationTimestamp": "2099-01-01T00:00:00Z" });
        Ok(Reply::json(201, &answer))
    }
}

impl Platform for ApiServer {
    fn answer(&mut self, request: &Arrived) -> Reply {
        self.token(request).unwrap_or_else(|(status, reason, why)| {
            let status_object = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": why,
                "reason": reason, "code": status,
            });
            Reply::json(status, &status_object)
        })
    }
}
