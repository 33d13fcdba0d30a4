//! Who answers must prove to be the provider: certificates that do not, what is said of each, and what mends it.

use crate::support::cmd::Sandbox;
use crate::support::idp::tls::Authority;
use crate::support::idp::{Behaviour, Certificate, Idp};

/// Where the provider listens.
const HOST: &str = "127.0.0.1";

fn quick(behaviour: &mut Behaviour) {
    behaviour.device.interval = 1;
    behaviour.device.auto_approve = Some((1, "ada".into()));
}

/// A sign-in at a provider with this certificate must be refused, with this cause and hint.
#[track_caller]
fn refused(certificate: &Certificate, trusted: Option<&Authority>, cause: &str, hint: &str) {
    let idp = Idp::start_with_tls(certificate, |_| {});
    let mut sandbox = Sandbox::with(&idp);
    if let Some(authority) = trusted {
        let file = sandbox.home().join("company.pem");
        std::fs::write(&file, authority.pem()).unwrap();
        sandbox.env("MDB_LOGIN_CA_FILE", file);
    }
    let login = sandbox.run(["login", "--no-browser"]).exits(10);
    let lines: Vec<&str> = login.text().lines().skip(2).collect();
    let [error, because, todo] = lines.as_slice() else { panic!("{login:?}") };
    assert_eq!(*error, "error: cannot sign in at `[ISSUER]`");
    let place = "  caused by: the TLS certificate of [ISSUER]/.well-known/openid-configuration: ";
    assert!(because.starts_with(place) && because.contains(cause), "{login:?}");
    assert_eq!(*todo, format!("hint: {hint}"));
    assert!(idp.log().is_empty(), "something was sent: {:?}", idp.log());
}

const TRUST_IT: &str =
    "if your company has a certificate authority of its own, or inspects TLS, trust it: `--ca-file CA.pem`";

#[test]
fn a_certificate_that_proves_nothing_is_refused_and_the_cure_is_named() {
    let company = Authority::new();
    refused(&company.certificate(HOST), None, "UnknownIssuer", TRUST_IT);
    // An authority that has the same name, and is another.
    refused(&company.certificate(HOST), Some(&Authority::new()), "BadSignature", TRUST_IT);
    refused(&Certificate::self_signed(HOST), None, "UnknownIssuer", TRUST_IT);
    refused(
        &company.certificate("idp.example.com"),
        Some(&company),
        "certificate not valid for name \"127.0.0.1\"; certificate is only valid for DnsName(\"idp.example.com\")",
        "check the host in the issuer, and whether a portal or proxy answers in its place: `--issuer ISSUER`",
    );
    refused(
        &company.expired(HOST),
        Some(&company),
        "certificate expired",
        "compare this computer's clock with another; if it is right, the provider has to renew its certificate",
    );
}

#[test]
fn the_hinted_cure_works_at_sign_in_and_at_every_renewal() {
    let company = Authority::new();
    let idp = Idp::start_with_tls(&company.certificate(HOST), quick);
    let sandbox = Sandbox::with(&idp);
    std::fs::write(sandbox.home().join("CA.pem"), company.pem()).unwrap();
    let login = sandbox.run(["login", "--device", "--ca-file", "CA.pem"]).exits(0);
    assert!(login.stderr().contains("signed in as ada@example.com"), "{login:?}");
    sandbox.run(["token", "--force-refresh", "--ca-file", "CA.pem"]).exits(0);
    assert_eq!(idp.grants("refresh_token"), 1);
    // Without it the provider is as unknown as before, and what is known of it is not used against it.
    let renewal = sandbox.run(["token", "--force-refresh"]).exits(10);
    assert!(renewal.stderr().contains(&format!("hint: {TRUST_IT}")), "{renewal:?}");
    assert_eq!(idp.grants("refresh_token"), 1);
    sandbox.run(["token", "--force-refresh", "--ca-file", "CA.pem"]).exits(0);
}

#[test]
fn a_self_signed_certificate_can_be_trusted_by_itself() {
    let own = Certificate::self_signed(HOST);
    let idp = Idp::start_with_tls(&own, quick);
    let sandbox = Sandbox::with(&idp);
    std::fs::write(sandbox.home().join("CA.pem"), own.pem()).unwrap();
    sandbox.run(["login", "--device", "--ca-file", "CA.pem"]).exits(0);
}
