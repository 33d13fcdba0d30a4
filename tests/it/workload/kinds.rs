//! What each kind needs and what means nothing to it: every mistake has its words, and nobody is asked anything.

use super::*;
use crate::cases::each;

#[test]
fn every_kind_says_what_it_lacks_and_what_it_does_not_take() {
    // Profile, further variables, exit code, and what is said.
    type Row = (&'static str, &'static [(&'static str, &'static str)], i32, &'static str);
    let rows: Vec<Row> = vec![
        (
            "kind = 'nobody'",
            &[],
            3,
            "`kind` must be one of `workforce`, `client-credentials`, `azure-managed-identity`",
        ),
        (
            "kind = 'client-credentials'",
            &[],
            3,
            "`issuer` and `client_id` must be set for the kind `client-credentials`\nhint: set it: `mdb-login profile set p 'issuer=ISSUER'`",
        ),
        (
            "kind = 'client-credentials'\nissuer = 'https://idp.example.com'\nclient_id = 'c'",
            &[],
            3,
            "a secret or a key must be set for the kind `client-credentials`\nhint: set it: `mdb-login profile set p 'client_secret_file=CLIENT_SECRET_FILE'`",
        ),
        (
            "kind = 'client-credentials'\nissuer = 'https://a'\nclient_id = 'c'\nclient_secret_file = '/s'\nclient_key_file = '/k'",
            &[],
            3,
            "`client_key_file` cannot be combined with `client_secret_file`",
        ),
        (
            "kind = 'client-credentials'\nissuer = 'https://a'\nclient_id = 'c'\nclient_secret_file = '/s'",
            &[("MDB_LOGIN_CLIENT_CERTIFICATE_FILE", "/c")],
            3,
            "`client_certificate_file` is of no use without `client_key_file`",
        ),
        (
            "kind = 'client-credentials'\nissuer = 'https://a'\nclient_id = 'c'\nclient_secret_file = '/s'\nclient_key_id = '1'",
            &[],
            3,
            "`client_key_id` is of no use without `client_key_file`",
        ),
        (
            "kind = 'client-credentials'\nissuer = 'https://a'\nclient_id = 'c'\nid_token_as_access_token = true",
            &[],
            3,
            "config.toml:5: `id_token_as_access_token` means nothing to a session of the kind `client-credentials`\nhint: run `mdb-login profile unset p id_token_as_access_token`\nhint: for the kind `workforce`: `mdb-login profile set p 'kind=workforce'`",
        ),
        ("kind = 'azure-managed-identity'", &[], 3, "`resource` must be set for the kind `azure-managed-identity`"),
        (
            "kind = 'azure-managed-identity'\nresource = 'api://db'\nidentity = 'ns/sa'",
            &[],
            3,
            "`identity` must be `client_id:ID`, `object_id:ID` or `resource_id:/subscriptions/…` for the kind",
        ),
        (
            "kind = 'azure-managed-identity'\nresource = ['api://db', 'api://other']",
            &[],
            3,
            "`resource` must name one resource for the kind `azure-managed-identity`",
        ),
        (
            "kind = 'gcp'",
            &[],
            3,
            "`audience` must be set for the kind `gcp`\nhint: set it: `mdb-login profile set p 'audience=AUDIENCE'`",
        ),
        (
            "kind = 'gcp'\naudience = 'a'\nidentity = 'client_id:x'",
            &[],
            3,
            "must be the e-mail address of a service account",
        ),
        (
            "kind = 'gcp'\naudience = 'a'\nidentity = 'a@b.iam.gserviceaccount.com'\ncredentials_file = '/k'",
            &[],
            3,
            "`identity` cannot be combined with `credentials_file`",
        ),
        (
            "kind = 'kubernetes'\nidentity = 'a@b.c'",
            &[],
            3,
            "`identity` must be `NAMESPACE/NAME` for the kind `kubernetes`",
        ),
        ("kind = 'kubernetes'\nidentity = 'ns/sa'", &[], 3, "`audience` must be set where `identity` is"),
        ("kind = 'github-actions'", &[], 3, "`audience` must be set for the kind `github-actions`"),
        ("kind = 'file'", &[], 3, "`source_file` must be set for the kind `file`"),
        ("kind = 'command'", &[], 3, "`source_command` must be set for the kind `command`"),
        (
            "kind = 'command'\nsource_command = 'x'\nsource_file = '/t'",
            &[],
            3,
            "`source_file` means nothing to a session of the kind `command`\nhint: run `mdb-login profile unset p source_file`\nhint: it is for the kinds `kubernetes`, `file`",
        ),
        (
            "kind = 'file'\nsource_file = '/t'",
            &[("MDB_LOGIN_CLIENT_ID", "c")],
            3,
            "environment variable `MDB_LOGIN_CLIENT_ID` means nothing to a session of the kind `file`",
        ),
        (
            "issuer = 'https://a'\nclient_id = 'c'\nsource_command = 'x'",
            &[],
            3,
            "config.toml:4: `source_command` means nothing to a session of the kind `workforce`\nhint: run `mdb-login profile unset p source_command`\nhint: for the kind `command`: `mdb-login profile set p 'kind=command'`",
        ),
        ("kind = 'gcp'\naudience = 'a'\nidentity = 'nonsense'", &[], 3, "`identity` must be `client_id:ID`"),
        ("kind = 'gcp'\naudience = 'a'\nidentity = '../../x@y'", &[], 3, "`identity` must be an e-mail address"),
        ("kind = 'kubernetes'\nidentity = 'a/../b'", &[], 3, "`identity` must be"),
        ("kind = 'azure-managed-identity'\nidentity = 'name:x'", &[], 3, "must start with `client_id:`"),
        ("kind = 'azure-managed-identity'\nidentity = 'client_id:'", &[], 3, "has nothing after `client_id:`"),
        ("kind = 'azure-managed-identity'\nidentity = 'resource_id:x'", &[], 3, "must go on with a `/`"),
        ("kind = 'gcp'\nimpersonate = 'nobody'", &[], 3, "`impersonate` must be an e-mail address"),
        ("kind = 'file'\nsource_file = 'token'", &[], 3, "`source_file` must be a full path"),
        ("client_key = 'x'", &[], 3, "`client_key` is a secret, and secrets do not belong in this file"),
    ];
    each(rows, |(profile, variables, code, words)| {
        let mut sandbox = Sandbox::new();
        sandbox.write_config(&format!("[profile.p]\n{profile}\n"));
        for (name, value) in variables {
            sandbox.env(name, value);
        }
        for command in ["token", "login", "status", "logout"] {
            let outcome = sandbox.run([command]).exits(code);
            assert!(outcome.text().contains(words), "{profile}: {outcome:?}");
            assert!(outcome.stdout.is_empty(), "{profile}: {outcome:?}");
        }
        assert_eq!(sandbox.session_ids(), Vec::<String>::new(), "{profile}");
    });
}

#[test]
fn a_flag_that_means_nothing_to_the_kind_is_wrong_usage() {
    let sandbox = Sandbox::new();
    sandbox.run(["token", "--kind", "gcp", "--audience", "a", "--source-file", "/t"]).is("
        exit 2
        --- stderr
        error: `--source-file` means nothing to a session of the kind `gcp`
        hint: it is for the kinds `kubernetes`, `file`
    ");
    sandbox.run(["token", "--kind", "everybody"]).exits(2).says("invalid value 'everybody' for '--kind <KIND>'");
    // Without a profile, the flags are what there is to type.
    sandbox.run(["token", "--kind", "file"]).is("
        exit 3
        --- stderr
        error: `source_file` must be set for the kind `file`
        hint: set it: `--source-file SOURCE_FILE`
    ");
}

/// `[defaults]` are for all profiles: what is there for people is no mistake of a program's.
#[test]
fn defaults_for_people_are_no_obstacle_to_programs() {
    let idp = Idp::start();
    let sandbox = Sandbox::new();
    let path = private_file(sandbox.home().join("token.jwt"), &idp.access_token("ada"));
    sandbox.write_config(&format!(
        "[defaults]\nclient_id = 'people'\nscope = 'groups'\nlogin_hint = 'ada'\naudience = {CLIENT_ID:?}\n\
         [profile.job]\nkind = 'file'\nsource_file = {path:?}\n"
    ));
    sandbox.run(["token", "job"]).exits(0);
    let shown = object(&sandbox.run(["profile", "show", "job", "--json"]).exits(0))["settings"].clone();
    assert_eq!((&shown["kind"], &shown["client_id"], &shown["scope"]), (&"file".into(), &Value::Null, &Value::Null));
    assert_eq!(shown["audience"], CLIENT_ID);
}
