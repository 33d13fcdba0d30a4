//! Sign in by device code at the certified provider.

use std::time::Duration;

use crate::peers::{Provider, person};
use crate::sign_in::claims;
use crate::support::cmd::Running;

/// The page to open, code included, and the code as it is shown.
fn instructions(login: &mut Running, provider: &Provider) -> (String, String) {
    let page = format!("{}/device", provider.issuer);
    // The provider's codes look like WDJB-MJHT.
    let is_code = |word: &&str| {
        word.len() == 9
            && word.chars().enumerate().all(|(at, c)| if at == 4 { c == '-' } else { c.is_ascii_uppercase() })
    };
    let code = login.find("a user code", |line| {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words.into_iter().find(is_code).map(str::to_owned)
    });
    (format!("{page}?user_code={code}"), code)
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn a_code_allowed_elsewhere_signs_in_here() {
    let provider = Provider::start();
    let home = provider.home();
    let mut login = home.spawn(["login", "--device"]);
    let (url, _) = instructions(&mut login, &provider);
    let page = person(&url, &[]);
    assert!(page.text().contains("Device signed in"), "{:?}", page.0);
    let answer = login.wait().exits(0).says("ada@example.com").says(&format!("{}/device", provider.issuer));
    assert_eq!(answer.stdout(), "", "{answer:?}");

    let first = home.run(["token"]).exits(0).stdout();
    assert_eq!(claims(&first)["aud"], *provider.resource);
    assert_ne!(home.run(["token", "--force-refresh"]).exits(0).stdout(), first);
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn a_code_typed_by_hand_signs_in_too() {
    let provider = Provider::start();
    let home = provider.home();
    let mut login = home.spawn(["login", "--device"]);
    let (_, code) = instructions(&mut login, &provider);
    person(&format!("{}/device", provider.issuer), &["--code", &code]);
    login.wait().exits(0);
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn a_denied_code_ends_the_wait() {
    let provider = Provider::start();
    let home = provider.home();
    let mut login = home.spawn(["login", "--device"]);
    let (url, _) = instructions(&mut login, &provider);
    person(&url, &["--deny"]);
    login.wait().exits(5);
    home.run(["token"]).exits(4);
}

#[test]
#[ignore = "needs npm oidc-provider; run tests/run"]
fn a_code_nobody_enters_expires() {
    let provider = Provider::with(&[("DEVICE_CODE_TTL", "7")]);
    let home = provider.home();
    home.run(["login", "--device"]).exits(6).says("expired").within(Duration::from_secs(20));
}
