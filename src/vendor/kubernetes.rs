//! A Kubernetes cluster, whose API server vouches for service accounts. Facts from the Kubernetes documentation (service
//! account issuer discovery, projected volumes) and from those of EKS, AKS and GKE.

use super::issuer::{Flaw, Issuers};
use super::recipe::{Programs, Recipe, Step, Way};

pub static PROGRAMS: Programs = Programs {
    recipe: Recipe {
        product: "Kubernetes",
        console: "",
        steps: &[
            Step::new("service account", "`kubectl create serviceaccount NAME --namespace NAMESPACE`", ""),
            Step::new(
                "token",
                "a projected volume: `serviceAccountToken: { audience: \"{audience}\", expirationSeconds: 3600, path: token }`",
                "the pod's spec > volumes > … > projected > sources",
            )
            .note("`--source-file PATH` says where it is mounted; the kubelet renews it"),
            Step::new(
                "or without one",
                "optional: `--identity NAMESPACE/NAME` asks the API server for a token of that account",
                "a Role with the verb `create` for `serviceaccounts/token`",
            ),
            Step::new(
                "issuer",
                "an `https` address at which MongoDB's servers reach discovery document and keys, without signing in",
                "API server > --service-account-issuer",
            )
            .note(
                "EKS, AKS and GKE have one; elsewhere nobody gets in unless the role `system:service-account-issuer-discovery` is \
                 bound to the group `system:unauthenticated`",
            ),
            Step::given("user claim", "`{user_claim}`: `system:serviceaccount:NAMESPACE:NAME`"),
            Step::given("audience", "{audience}").note("free to choose, and in a list of its own in the token, which servers take"),
        ],
        pitfalls: &[
            ("the usual token", "`/var/run/secrets/kubernetes.io/serviceaccount/token` is for the API server: whoever gets it can act there"),
            ("`kubernetes.default.svc`", "is an issuer that nobody outside of the cluster reaches, and whose certificate nobody outside trusts"),
            ("the slash", "AKS has one at the end of its issuers, EKS and GKE have none; it is compared byte for byte"),
            ("no groups", "these tokens list no groups: each service account has a user of its own in `$external`"),
        ],
        issuers: &ISSUERS,
        user_claim: "sub",
        group_claim: None,
    },
    audience: "audience",
    audience_place: "free to choose, such as `mongodb://orders`",
    audience_flag: "AUDIENCE",
    ways: &[Way {
        kind: "kubernetes",
        about: "a service account, on EKS, AKS, GKE or a cluster of your own",
        resource: None,
        scope: None,
        is_client: false,
        built_in: Some("ENVIRONMENT:k8s"),
        built_in_note: "with the token's path in `AZURE_FEDERATED_TOKEN_FILE` or `AWS_WEB_IDENTITY_TOKEN_FILE`; without a user name",
    }],
};

static ISSUERS: Issuers = Issuers {
    template: None,
    place: "`kubectl get --raw /.well-known/openid-configuration`, the value of `issuer`",
    pieces: &[],
    judge: judge_issuer,
};

fn judge_issuer(issuer: &str, url: &url::Url) -> Result<(), Flaw> {
    let host = url.host_str().unwrap_or_default();
    if host.ends_with(".oic.prod-aks.azure.com") && !issuer.ends_with('/') {
        return Err(Flaw::new("must have a slash at its end, as AKS puts it into tokens")
            .instead(format!("--issuer {issuer}/")));
    }
    let is_bare = host.starts_with("oidc.eks.") || host.starts_with("oidc-eks.") || host == "container.googleapis.com";
    if is_bare && issuer.ends_with('/') {
        let bare = issuer.trim_end_matches('/');
        return Err(Flaw::new("must have no slash at its end, as tokens have none").instead(format!("--issuer {bare}")));
    }
    Ok(())
}
