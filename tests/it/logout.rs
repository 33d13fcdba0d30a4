//! Signing out: revoked at the provider where that is possible, forgotten here in any case, and both reported.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cases::each;
use crate::signed_in::{SignedIn, parameters, sign_in};
use crate::support::browser::Browser;
use crate::support::cmd::Sandbox;
use crate::support::idp::{Answer, CLIENT_ID, Endpoint, Idp, Patch, Reply, SignIn};

/// Fails if anything that the provider has handed out is in any file of the sandbox.
#[track_caller]
fn no_secret_is_left(idp: &Idp, sandbox: &Sandbox) {
    let secrets = idp.secrets();
    assert!(secrets.len() >= 4, "code, access, ID and refresh token");
    for (path, bytes) in sandbox.files() {
        let text = String::from_utf8_lossy(&bytes);
        for secret in &secrets {
            assert!(!text.contains(secret), "{} holds {secret}", path.display());
        }
    }
    #[cfg(target_os = "linux")]
    for id in sandbox.session_ids() {
        assert!(crate::support::cmd::kernel_key(&id).is_none(), "the kernel keyring still has the access token");
    }
}

#[test]
fn signing_out_revokes_forgets_and_says_both() {
    let ada = SignedIn::new();
    ada.run(["token", "--force-refresh"]).exits(0);
    ada.run(["logout"]).is("
        exit 0
        --- stderr
        signed out: revoked at [ISSUER], forgotten here
        programs that already have an access token can use it until it expires
    ");
    assert_eq!((ada.idp.counters().revoked, ada.idp.families_alive()), (1, 0));
    assert_eq!(parameters(&ada.idp, Endpoint::Revocation, "token_type_hint")[0], "refresh_token");
    no_secret_is_left(&ada.idp, &ada.sandbox);
    ada.run(["token"]).exits(4);
    ada.run(["status"]).exits(4);
    ada.run(["status", "--all"]).is("exit 0\n--- stderr\nthere is no session");
}

#[test]
fn json_tells_what_became_of_the_session() {
    let ada = SignedIn::new();
    let outcome = ada.run(["logout", "--json"]).exits(0);
    let object: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    let expected = |forgotten, revoked| json!({"schema": 1, "issuer": ada.idp.issuer(), "forgotten": forgotten, "revoked": revoked, "browser_session": null});
    assert_eq!((object, outcome.stderr().as_str()), (expected(true, true), ""));
    let outcome = ada.run(["logout", "--json"]).exits(0);
    assert_eq!(serde_json::from_slice::<Value>(&outcome.stdout).unwrap(), expected(false, false));
}

#[test]
fn nobody_signed_in_is_no_failure() {
    let idp = Idp::start();
    let sandbox = Sandbox::with(&idp);
    sandbox.run(["logout"]).is("exit 0\n--- stderr\nnot signed in at [ISSUER]; nothing to do");
    sandbox.run(["logout", "--all"]).is("exit 0\n--- stderr\nthere is no session");
    sandbox.run(["logout", "--quiet"]).is("exit 0");
    let server = ["logout", "mongodb://localhost"];
    let message = "nobody has signed in for `mongodb://localhost:27017` yet; nothing to do";
    Sandbox::new().run(server).is(&format!("exit 0\n--- stderr\n{message}"));
    let outcome = Sandbox::new().run([&server[..], &["--json", "--quiet"]].concat()).exits(0);
    assert_eq!(
        serde_json::from_slice::<Value>(&outcome.stdout).unwrap(),
        json!({ "schema": 1, "issuer": null, "forgotten": false, "revoked": false, "browser_session": null })
    );
    assert_eq!((idp.log().len(), sandbox.files().len()), (0, 0));
}

#[test]
fn a_provider_that_is_down_does_not_keep_anybody_signed_in() {
    let ada = SignedIn::new();
    ada.idp.set_up(false);
    let outcome = ada.run(["logout"]).exits(0);
    assert!(outcome.took < Duration::from_secs(3), "{:?}", outcome.took);
    let said = outcome.text();
    assert!(said.starts_with("exit 0\n--- stderr\nwarning: forgotten here, but not revoked at [ISSUER]: "), "{said}");
    no_secret_is_left(&ada.idp, &ada.sandbox);
    ada.run(["token"]).exits(4);
}

#[test]
fn a_provider_that_does_not_answer_is_not_waited_for() {
    let ada = SignedIn::new();
    ada.idp.always(Endpoint::Revocation, Answer::Delay(Duration::from_secs(60)));
    let outcome = ada.run(["logout"]).exits(0);
    assert!(outcome.took < Duration::from_millis(6500), "{:?}", outcome.took);
    assert!(outcome.stderr().contains("but not revoked at"), "{outcome:?}");
    no_secret_is_left(&ada.idp, &ada.sandbox);
}

#[test]
fn a_provider_that_refuses_or_cannot_revoke_is_reported() {
    let ada = SignedIn::new();
    let refusal = Reply::json(400, &json!({"error": "unsupported_token_type", "error_description": "\u{1b}[2Jno"}));
    ada.idp.always(Endpoint::Revocation, Answer::Instead(refusal));
    ada.run(["logout"]).is("
        exit 0
        --- stderr
        warning: forgotten here, but not revoked at [ISSUER]: `unsupported_token_type`: \\u{1b}[2Jno
        programs that already have an access token can use it until it expires
    ");

    let ada = SignedIn::with(|behaviour| behaviour.metadata = Patch::merge(json!({"revocation_endpoint": null})));
    ada.run(["logout"]).is("
        exit 0
        --- stderr
        warning: forgotten here; [ISSUER] offers no revocation, so its refresh token stays valid there until it expires
        programs that already have an access token can use it until it expires
    ");
    assert_eq!(ada.idp.families_alive(), 1);
    no_secret_is_left(&ada.idp, &ada.sandbox);
}

#[test]
fn a_session_that_has_ended_or_is_damaged_can_still_be_forgotten() {
    let ada = SignedIn::stale();
    ada.idp.end_all_sessions();
    ada.run(["token"]).exits(4);
    let outcome = ada.run(["logout"]).exits(0);
    assert!(outcome.text().contains("signed out: forgotten here; there was nothing to revoke"), "{outcome:?}");
    ada.run(["logout"]).is("exit 0\n--- stderr\nnot signed in at [ISSUER]; nothing to do");

    for damage in ["", "{", "{\"v\":1}", "{\"v\":9}"] {
        let ada = SignedIn::new();
        std::fs::write(ada.file("secret"), damage).unwrap();
        ada.run(["logout"]).exits(0);
        assert!(ada.record().is_none(), "{damage}");
        no_secret_is_left(&ada.idp, &ada.sandbox);
    }
}

/// The index says which store has the session; where it cannot be read, all of them are looked into.
#[test]
fn a_damaged_index_entry_neither_keeps_the_session_nor_leaves_it_behind() {
    let every = [["logout"].as_slice(), &["logout", "--all"]];
    let damages = [("", false), ("{", false), ("{\"v\":9}", false), ("{", true)];
    each(every.into_iter().flat_map(|command| damages.map(|damage| (command, damage))), |(command, (damage, both))| {
        let ada = SignedIn::new();
        std::fs::write(ada.file("json"), damage).unwrap();
        if both {
            std::fs::write(ada.file("secret"), damage).unwrap();
        }
        let refused = ada.run(["token", "--force-refresh"]).exits(8).stderr();
        assert!(refused.ends_with("hint: run `mdb-login logout`, then `mdb-login login`\n"), "{refused}");
        let said = ada.run(command).exits(0);
        assert_eq!((ada.file("json").exists(), ada.file("secret").exists()), (false, false), "{said:?}");
        if both {
            assert!(said.stderr().starts_with("signed out: forgotten here; there was nothing to revoke"), "{said:?}");
        } else {
            assert!(said.text().contains("signed out: revoked at [ISSUER], forgotten here"), "{said:?}");
            assert_eq!(ada.idp.families_alive(), 0);
        }
        no_secret_is_left(&ada.idp, &ada.sandbox);
        sign_in(&ada.sandbox, &[]);
        ada.token();
    });
}

/// Signing in would not overwrite it, so it is better said before the person is sent to the provider than after.
#[test]
fn a_damaged_record_stops_a_sign_in_before_anybody_is_asked() {
    for entry_is_gone in [true, false] {
        let ada = SignedIn::new();
        std::fs::write(ada.file("secret"), "{").unwrap();
        if entry_is_gone {
            std::fs::remove_file(ada.file("json")).unwrap();
        }
        let asked = ada.requests();
        let refused = ada.run(["login", "--device"]).exits(8);
        assert!(refused.stderr().starts_with("error: the stored session is damaged (`"), "{refused:?}");
        assert!(refused.stderr().ends_with("hint: run `mdb-login logout`, then `mdb-login login`\n"), "{refused:?}");
        assert_eq!(ada.requests(), asked);
        ada.run(["logout"]).exits(0);
        sign_in(&ada.sandbox, &[]);
        ada.token();
    }
}

#[test]
fn all_means_every_session_with_or_without_a_profile() {
    let idp = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("ada".into()));
    let other = Idp::start_with(|behaviour| behaviour.sign_in = SignIn::Auto("grace".into()));
    let mut sandbox = Sandbox::with(&idp);
    sandbox.hide(other.issuer(), "[OTHER]");
    sign_in(&sandbox, &[]);
    sign_in(&sandbox, &["--login-hint", "ada"]);
    sandbox.unset("MDB_LOGIN_ISSUER").unset("MDB_LOGIN_CLIENT_ID");
    sandbox.write_config(&format!("[profile.other]\nissuer = {:?}\nclient_id = {CLIENT_ID:?}\n", other.issuer()));
    sign_in(&sandbox, &["other"]);
    assert_eq!((idp.families_alive(), other.families_alive()), (2, 1));

    // One that is down does not keep the others.
    other.set_up(false);
    let outcome = sandbox.run(["logout", "--all"]).exits(0);
    let said = outcome.text();
    assert_eq!(said.matches("signed out: revoked at [ISSUER], forgotten here").count(), 2, "{said}");
    assert_eq!(said.matches("warning: forgotten here, but not revoked at [OTHER]: ").count(), 1, "{said}");
    assert_eq!(idp.families_alive(), 0);
    for idp in [&idp, &other] {
        no_secret_is_left(idp, &sandbox);
    }
    let outcome = sandbox.run(["logout", "--all", "--json"]).exits(0);
    assert_eq!(serde_json::from_slice::<Value>(&outcome.stdout).unwrap(), json!({"schema": 1, "sessions": []}));
}

#[test]
fn flags_that_say_how_a_provider_is_reached_are_for_every_session_and_others_for_none() {
    let mut ada = SignedIn::new();
    let profile = format!("[profile.prod]\nissuer = {:?}\nclient_id = {CLIENT_ID:?}\n", ada.idp.issuer());
    ada.sandbox.write_config(&profile);
    ada.sandbox.unset("MDB_LOGIN_ISSUER").unset("MDB_LOGIN_CLIENT_ID");
    // Another issuer's secret would be sent here, were it taken for everybody's.
    let secret = ada.sandbox.home().join("secret");
    let flags = ["--issuer", "https://other.example.com", "--client-secret-file", secret.to_str().unwrap()];
    ada.run(["logout", "--all"].iter().chain(&flags)).exits(0);
    assert_eq!(ada.idp.counters().revoked, 1);

    sign_in(&ada.sandbox, &[]);
    let outcome = ada.run(["logout", "--all", "--ca-file", "missing.pem"]).exits(0);
    assert!(outcome.stderr().contains("not revoked at"), "{outcome:?}");
    assert!(outcome.stderr().contains("cannot read the CA file `"), "{outcome:?}");
}

/// A record that was mixed up with another belongs to another client.
#[test]
fn a_client_secret_goes_to_the_client_of_the_settings_only() {
    for (client_id, reads_secret) in [(CLIENT_ID, true), ("another-client", false)] {
        let ada = SignedIn::new();
        let mut record = ada.record().unwrap();
        record["client_id"] = json!(client_id);
        std::fs::write(ada.file("secret"), record.to_string()).unwrap();
        let outcome = ada.run(["logout", "--client-secret-file", "missing"]).exits(0);
        assert_eq!(outcome.stderr().contains("cannot read the client secret file"), reads_secret, "{outcome:?}");
        assert_eq!(ada.idp.requests(Endpoint::Revocation) == 0, reads_secret, "{client_id}");
    }
}

#[test]
fn without_a_port_to_lead_the_browser_from_the_session_is_gone_all_the_same() {
    let mut ada = SignedIn::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    ada.sandbox.env("MDB_LOGIN_REDIRECT_URI", format!("http://127.0.0.1:{port}/redirect"));
    ada.run(["logout", "--browser-session"]).is("
        exit 9
        --- stderr
        signed out: revoked at [ISSUER], forgotten here
        programs that already have an access token can use it until it expires
        error: the session is gone from here, but no redirect port is free to lead the browser from
        hint: sign out at the provider in the browser
    ");
    ada.run(["token"]).exits(4);
}

#[test]
fn one_sign_out_leaves_other_sessions_alone() {
    let ada = SignedIn::new();
    sign_in(&ada.sandbox, &["--scope", "openid offline_access groups"]);
    ada.run(["logout", "--scope", "openid offline_access groups"]).exits(0);
    assert_eq!(ada.idp.families_alive(), 1);
    ada.token();
}

#[test]
fn the_browser_is_led_to_the_providers_own_sign_out_by_a_local_link() {
    let ada = SignedIn::new();
    let id_token = ada.record().unwrap()["id_token"].as_str().unwrap().to_owned();
    let mut logout = ada.spawn(["logout", "--browser-session"]);
    let visit = Browser::new().open(&logout.start_url());
    assert_eq!((visit.status(), visit.title().as_str()), (200, "Signed out"));
    // A link with an ID token in it must not be in anybody's argument list or on a terminal.
    let outcome = logout.wait().exits(0);
    outcome.is("
        exit 0
        --- stderr
        signed out: revoked at [ISSUER], forgotten here
        programs that already have an access token can use it until it expires
        open this address in a browser on this machine to sign out there too
          http://localhost:[PORT]/start/[ID]
        the browser is at the provider's sign-out page
    ");
    assert!(!outcome.stderr().contains(&id_token));
    assert_eq!(ada.idp.counters().sessions_ended, 1);
    let asked = ada.idp.log().into_iter().rfind(|request| request.endpoint == Endpoint::EndSession).unwrap();
    assert_eq!(asked.parameters["client_id"], CLIENT_ID);
    assert!(asked.parameters.contains_key("id_token_hint"));
    no_secret_is_left(&ada.idp, &ada.sandbox);
}

#[cfg(unix)]
#[test]
fn when_no_browser_comes_the_session_is_gone_all_the_same() {
    let ada = SignedIn::new();
    let mut logout = ada.spawn(["logout", "--browser-session"]);
    logout.start_url();
    logout.interrupt();
    let outcome = logout.wait().exits(130);
    assert!(outcome.stderr().contains("signed out: revoked at"), "{outcome:?}");
    ada.run(["token"]).exits(4);
}

#[test]
fn a_provider_without_a_sign_out_page_is_named_as_such() {
    let ada = SignedIn::with(|behaviour| behaviour.metadata = Patch::merge(json!({"end_session_endpoint": null})));
    ada.run(["logout", "--browser-session"]).is("
        exit 0
        --- stderr
        signed out: revoked at [ISSUER], forgotten here
        programs that already have an access token can use it until it expires
        warning: the provider has no page that ends the browser's session (`end_session_endpoint`)
    ");
}

#[test]
fn a_session_is_found_where_it_is_whatever_the_settings_say_now() {
    let mut ada = SignedIn::new();
    ada.sandbox.env("MDB_LOGIN_STORE", "kernel");
    ada.run(["token", "--force-refresh"]).exits(0);
    ada.run(["logout"]).exits(0);
    assert_eq!((ada.idp.counters().revoked, ada.idp.families_alive()), (1, 0));
    no_secret_is_left(&ada.idp, &ada.sandbox);
}

#[test]
#[cfg(target_os = "linux")]
fn a_session_that_moves_leaves_nothing_in_the_old_store() {
    let mut ada = SignedIn::new();
    ada.sandbox.env("MDB_LOGIN_STORE", "kernel");
    sign_in(&ada.sandbox, &[]);
    let left: Vec<_> = ada
        .sandbox
        .files()
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|end| end == "secret"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    ada.run(["logout"]).exits(0);
    no_secret_is_left(&ada.idp, &ada.sandbox);
}
