//! Signing in with a browser: from the start link to the final page and the stored session.

use crate::support::browser::Browser;
use crate::support::cmd::Sandbox;
use crate::support::idp::{Endpoint, Idp};

/// Signs in as `user`, and gives what the program and the browser's last page said.
fn sign_in(sandbox: &Sandbox, user: &str) -> (crate::support::cmd::Outcome, crate::support::browser::Visit) {
    let mut login = sandbox.spawn(["login"]);
    let visit = Browser::new().sign_in(&login.start_url(), user);
    (login.wait(), visit)
}

#[test]
fn a_person_signs_in_and_scripts_have_a_token() {
    let idp = Idp::start();
    let sandbox = Sandbox::with(&idp);
    let (login, visit) = sign_in(&sandbox, "ada");
    println!("{}\n{}\n{}", login.text(), visit.url(), visit.text());
    let token = sandbox.run(["token"]);
    println!("{}", token.text());
    println!("{}", sandbox.run(["status"]).text());
    println!("{}", sandbox.run(["token", "--force-refresh"]).text());
    println!("{}", sandbox.run(["token", "-o", "env"]).text());
    println!("{}", sandbox.run(["status", "--json"]).text());
    println!("{}", sandbox.run(["logout"]).text());
    println!("{}", sandbox.run(["token"]).text());
    println!("{:?}", idp.requests(Endpoint::Token));
    panic!();
}
