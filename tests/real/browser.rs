//! Sign in with Chromium, to the final page, with pictures of it.

use crate::peers::{Page, Provider, chromium};

/// What must hold for every page we show: nothing from elsewhere, no complaint of the browser, no secret in its bar.
fn is_clean(page: &Page) {
    for list in ["foreign_requests", "csp_violations", "console_errors", "failed_requests"] {
        assert!(page.list(list).is_empty(), "{list}: {:#}", page.0);
    }
    let bar = page.0["address_bar"].as_str().unwrap();
    assert!(bar.starts_with("http://localhost:27097/"), "{bar}");
    assert!(!bar.contains("code=") && !bar.contains("state=") && !bar.contains("error="), "{bar}");
    assert_eq!(page.0["overflows"], false, "scrolls sideways at 360 px: {:#}", page.0);
    assert_eq!(page.list("screenshots").len(), 3);
}

#[test]
#[ignore = "needs Chromium and npm oidc-provider; run tests/run"]
fn signs_in_and_ends_on_a_page_that_says_so() {
    let provider = Provider::start();
    // The default redirect URI: what a company has registered for mongosh and Compass.
    let mut home = provider.home();
    home.unset("MDB_LOGIN_REDIRECT_URI");
    let mut login = home.spawn(["login"]);
    let url = login.start_url();
    assert!(url.starts_with("http://localhost:27097/") && url.len() < 64, "{url}");
    let page = chromium(&url, "signed-in", &[]);
    login.wait().exits(0).says("ada@example.com");
    is_clean(&page);
    assert!(page.text().contains("ada@example.com"), "{:#}", page.0);
    home.run(["token"]).exits(0);
}

#[test]
#[ignore = "needs Chromium and npm oidc-provider; run tests/run"]
fn a_refusal_is_shown_as_one() {
    let provider = Provider::start();
    let mut home = provider.home();
    home.unset("MDB_LOGIN_REDIRECT_URI");
    let mut login = home.spawn(["login"]);
    let page = chromium(&login.start_url(), "refused", &["--deny"]);
    login.wait().exits(5);
    // A failed sign-in may be reported with a 4xx status, which Chromium logs as an error of its own.
    for list in ["foreign_requests", "csp_violations"] {
        assert!(page.list(list).is_empty(), "{list}: {:#}", page.0);
    }
    assert!(page.text().contains("the person said no"), "{:#}", page.0);
    assert!(!page.0["address_bar"].as_str().unwrap().contains("error="), "{:#}", page.0);
}
