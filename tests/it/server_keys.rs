//! `mdb-login server keys`: which keys the nodes of a deployment have, and to have them loaded anew.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cases::each;
use crate::signed_in::SignedIn;
use crate::support::cmd::Outcome;
use crate::support::idp::{Key, Patch};
use crate::support::mongod::{Answer, Behaviour, Mongod, Release, Role};

/// Ada, who is signed in, and nodes with her provider.
struct World {
    ada: SignedIn,
    nodes: Vec<Mongod>,
}

impl World {
    /// So many nodes of one replica set, each of which names all.
    fn new(count: usize) -> Self {
        let mut ada = SignedIn::new();
        let nodes: Vec<Mongod> = (0..count).map(|_| Mongod::start(&ada.idp)).collect();
        let addresses: Vec<String> = nodes.iter().map(|node| node.address().to_string()).collect();
        for (index, (node, address)) in nodes.iter().zip(&addresses).enumerate() {
            ada.sandbox.hide(address, &format!("[NODE {index}]"));
            node.change(|behaviour| {
                behaviour.replica_set = Some("rs0".to_owned());
                behaviour.members = addresses.iter().filter(|other| *other != address).cloned().collect();
            });
        }
        let issuer = ada.idp.issuer().to_owned();
        ada.sandbox.hide(&issuer, "[ISSUER]");
        Self { ada, nodes }
    }

    fn uri(&self) -> String {
        self.nodes[0].uri()
    }

    fn keys(&self, flags: &[&str]) -> Outcome {
        self.ada.run([&["server", "keys", &self.uri()], flags].concat())
    }

    /// The provider signs with another key from now on, and publishes no other.
    fn withdraw_the_key(&self) {
        self.ada.idp.change(|behaviour| behaviour.key = Key::Second);
    }
}

fn object(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout()).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

#[test]
fn each_node_shows_its_own_keys() {
    let world = World::new(1);
    world.keys(&[]).is("
        exit 0
        --- stdout
        [NODE 0]
        ok    issuer  [ISSUER]
              key     test-key-1, RSA RS256
    ");
    // Nobody was asked to load anything, but for the keys that our own token needed.
    assert_eq!(world.nodes[0].commands("oidcRefreshKeys"), 0);
    let object = object(&world.keys(&["--json"]).exits(0));
    let issuer = world.ada.idp.issuer();
    let keys = json!([{ "kid": "test-key-1", "kty": "RSA", "alg": "RS256" }]);
    let sets = json!([{ "issuer": issuer, "keys": keys, "added": [], "removed": [] }]);
    let address = world.nodes[0].address().to_string();
    assert_eq!(object["nodes"], json!([{ "address": address, "state": "ok", "key_sets": sets, "error": null }]));
    assert_eq!((&object["schema"], &object["refreshed"]), (&json!(1), &json!(false)));
}

/// What a node names is followed as far as tokens may go, and no further.
#[test]
fn members_are_asked_if_tokens_may_go_there() {
    let world = World::new(3);
    // A second provider, whose keys nobody has needed yet; one node has it.
    world.nodes[2].change(|behaviour| {
        let mut second = behaviour.identity_providers[0].clone();
        second.issuer = "https://second.example.com".to_owned();
        behaviour.identity_providers.push(second);
    });
    world.nodes[1].change(|behaviour| {
        behaviour.members.extend(["db.example.com:27017".to_owned(), "evil.example:27018".to_owned()]);
        behaviour.arbiters = vec!["arbiter.example:27019".to_owned()];
    });
    let outcome = world.keys(&[]).exits(0);
    outcome.is("
        exit 0
        --- stdout
        [NODE 0]
        ok    issuer  [ISSUER]
              key     test-key-1, RSA RS256

        [NODE 1]
        ok    issuer  [ISSUER]
              key     test-key-1, RSA RS256

        db.example.com:27017
        skip  not asked  the connection would not be encrypted: everybody on the way
                         could take the token
                         add `tls=true` to the connection string, and `tlsCAFile=PATH`
                         if the certificate is your company's own
                         if it must be so, set `MDB_LOGIN_INSECURE_SERVER=true`
                         for good: `mdb-login profile set NAME insecure_server=true`

        evil.example:27018
        skip  not asked  `evil.example` is not a host that tokens may be given to
                         if you trust it, give `--trust-host evil.example`
                         for good: `mdb-login profile set NAME
                         allowed_host='db.example.com evil.example'`

        [NODE 2]
        ok    issuer  [ISSUER]
              key     test-key-1, RSA RS256
        skip  issuer  https://second.example.com
                      no key yet: they are loaded when a token comes
    ");
    for node in &world.nodes {
        assert_eq!(node.commands("oidcListKeys"), 1);
    }
    // Each is asked once, also where the connection string names several.
    let both = format!("mongodb://{},{}/", world.nodes[1].address(), world.nodes[0].address());
    let nodes = object(&world.ada.run(["server", "keys", &both, "--json"]).exits(0));
    assert_eq!(nodes["nodes"].as_array().unwrap().len(), 5, "{nodes}");
    let states: Vec<&str> =
        nodes["nodes"].as_array().unwrap().iter().filter_map(|node| node["state"].as_str()).collect();
    assert_eq!(states.iter().filter(|state| **state == "left_out").count(), 2, "{states:?}");
}

#[test]
fn loading_anew_shows_what_has_changed() {
    let world = World::new(2);
    // A key for tomorrow, and one of another kind.
    let more = json!({ "kty": "EC", "crv": "P-256", "kid": "curve", "x": "AAAA", "y": "AAAA" });
    world.keys(&[]).exits(0);
    world.ada.idp.change(|behaviour| {
        behaviour.jwks = Patch::with(move |set| set["keys"].as_array_mut().unwrap().push(more.clone()));
    });
    world.keys(&["--refresh", "--yes"]).is("
        exit 0
        --- stdout
        [NODE 0]
        ok    issuer  [ISSUER]
              key     new: curve, EC
              key     test-key-1, RSA RS256

        [NODE 1]
        ok    issuer  [ISSUER]
              key     new: curve, EC
              key     test-key-1, RSA RS256
    ");
    world.ada.idp.change(|behaviour| behaviour.jwks = Patch::none());
    let object = object(&world.keys(&["--refresh", "--yes", "--json"]).exits(0));
    for node in object["nodes"].as_array().unwrap() {
        assert_eq!(node["key_sets"][0]["removed"], json!(["curve"]), "{object}");
        assert_eq!(node["key_sets"][0]["added"], json!([]), "{object}");
    }
    assert_eq!(object["refreshed"], true);
}

/// A key that is withdrawn takes the sessions with it that rest on it, ours among them.
#[test]
fn a_withdrawn_key_ends_the_session_that_rests_on_it() {
    let world = World::new(1);
    world.keys(&[]).exits(0);
    world.withdraw_the_key();
    world.keys(&["--refresh", "--yes"]).is("
        exit 4
        --- stdout
        [NODE 0]
        ok    issuer  [ISSUER]
              key     test-key-1, RSA RS256
        FAIL  failed  `[NODE 0]` does not know the key of your token any more
                      the keys were loaded anew, and it is not among them
                      run `mdb-login token --force-refresh mongodb://[NODE 0]/`,
                      or `mdb-login login mongodb://[NODE 0]/` if that does not
                      help
        --- stderr
        error: `[NODE 0]` does not know the key of your token any more
          caused by: the keys were loaded anew, and it is not among them
        hint: run `mdb-login token --force-refresh mongodb://[NODE 0]/`, or `mdb-login login mongodb://[NODE 0]/` if that does not help
    ");
    // The hint mends it.
    world.keys(&[]).exits(5);
    world.ada.run(["token", "--force-refresh"]).exits(0);
    let text = world.keys(&[]).exits(0).stdout();
    assert!(text.contains("test-key-2, RSA RS256") && !text.contains("test-key-1"), "{text}");
}

#[test]
fn what_a_node_refuses_is_told_by_node_and_in_words() {
    type Change = fn(&mut Behaviour);
    /// What is wrong with the node, how a command is answered, flags, exit code, words.
    type Row<'a> = (Change, Option<(&'a str, Answer)>, &'a [&'a str], i32, &'a [&'a str]);
    let without: Change = |behaviour| behaviour.roles = vec![Role::new("test/dba", &["find"])];
    let listing: Change = |behaviour| behaviour.roles = vec![Role::new("test/dba", &["oidcListKeys"])];
    let rows: Vec<Row> = vec![
        (
            without,
            None,
            &[],
            5,
            &["does not allow you `oidcListKeys`", "not authorized on admin", "it takes the role `clusterAdmin`"],
        ),
        (
            listing,
            None,
            &["--refresh", "--yes"],
            5,
            &["does not allow you `oidcRefreshKeys`", "action `oidcRefreshKeys` on the cluster"],
        ),
        (
            |_| {},
            Some(("oidcListKeys", Answer::Failure(59))),
            &[],
            5,
            &["has no command `oidcListKeys`", "Community has none"],
        ),
        (|behaviour| behaviour.release = Release::Six, None, &[], 5, &["is older than MongoDB 7.0"]),
        (
            |behaviour| behaviour.mechanisms = vec!["SCRAM-SHA-256".to_owned()],
            None,
            &[],
            5,
            &["does not offer MONGODB-OIDC"],
        ),
        (
            |behaviour| behaviour.identity_providers[0].audience = "other".to_owned(),
            None,
            &[],
            5,
            &["refused: authentication failed"],
        ),
        (|_| {}, Some(("oidcListKeys", Answer::Close)), &[], 7, &["did not answer `oidcListKeys`"]),
        (|_| {}, Some(("oidcListKeys", Answer::Silence)), &[], 7, &["did not answer within 2 s"]),
        (
            |behaviour| behaviour.jwks_quiet = Duration::from_secs(60),
            None,
            &["--refresh", "--yes"],
            7,
            &["could not load the keys of every provider", "Skipping refresh due to IdP quiesce"],
        ),
    ];
    each(rows, |(change, answer, flags, code, words)| {
        let world = World::new(2);
        // The other one is in order, and asked all the same.
        world.nodes[0].change(change);
        if let Some((command, answer)) = answer {
            world.nodes[0].script(command, [answer]);
        }
        let both = format!("mongodb://{},{}/", world.nodes[0].address(), world.nodes[1].address());
        let line = [&["server", "keys", &both, "--http-timeout", "2s"], flags].concat();
        let outcome = world.ada.run(line).exits(code);
        let page = outcome.stdout().split_whitespace().collect::<Vec<_>>().join(" ");
        for words in words {
            assert!(page.contains(words), "{words}: {outcome:?}");
            assert!(outcome.stderr().contains(words), "{words}: {outcome:?}");
        }
        assert!(page.contains("key test-key-1, RSA RS256"), "{outcome:?}");
    });
}

/// With `--invalidate` it costs the node all of that provider's keys, and whoever is signed in by them their session.
#[test]
fn keys_of_a_provider_that_does_not_answer_are_dropped_if_that_is_asked_for() {
    let world = World::new(1);
    world.keys(&[]).exits(0);
    world.ada.idp.set_up(false);
    world.keys(&["--invalidate", "--yes"]).exits(7).says("could not load the keys of every provider");
    world.keys(&[]).exits(5).says("refused: authentication failed");
    world.ada.idp.set_up(true);
    world.keys(&[]).exits(0);
    world.keys(&["--invalidate", "--refresh", "--yes"]).exits(2);
    world.keys(&["--invalidate"]).exits(4).says("nobody has agreed");
}

/// A provider that is away costs a node none of its keys.
#[test]
fn a_provider_that_does_not_answer_is_named() {
    let world = World::new(1);
    world.keys(&[]).exits(0);
    world.ada.idp.set_up(false);
    let outcome = world.keys(&["--refresh", "--yes"]).exits(7);
    let stderr = outcome.stderr();
    assert!(stderr.contains("could not load the keys of every provider"), "{outcome:?}");
    assert!(stderr.contains(&format!("caused by: `{}`: ", world.ada.idp.issuer())), "{outcome:?}");
    assert!(outcome.stdout().contains("key     test-key-1, RSA RS256"), "{outcome:?}");
}

#[test]
fn tokens_go_to_no_stranger() {
    let world = World::new(1);
    for (uri, words) in [
        ("mongodb://evil.example/?tls=true", "`evil.example` is not a host that tokens may be given to"),
        ("mongodb://db.example.com/", "the connection would not be encrypted"),
    ] {
        world.ada.run(["server", "keys", uri]).exits(10).says(words);
    }
    // One that is left out still takes the withdrawn key, so with --refresh it is a failure.
    world.nodes[0].change(|behaviour| behaviour.members = vec!["evil.example:27017".to_owned()]);
    world.keys(&[]).exits(0);
    world.keys(&["--refresh", "--yes"]).exits(10).says("`evil.example` is not a host that tokens may be given to");
    world.ada.run(["server", "keys"]).exits(2).says("no connection string is given");
    world.keys(&["--yes"]).exits(2);
}

#[test]
fn nothing_is_loaded_anew_without_a_person_s_word() {
    let world = World::new(1);
    world
        .keys(&["--refresh"])
        .exits(4)
        .says("nobody has agreed that the nodes of")
        .says("add `--yes`")
        .says("not for the ordinary rotation");
    assert_eq!(world.nodes[0].commands("oidcRefreshKeys"), 0);
    assert_eq!(world.nodes[0].tokens().len(), 0, "it was not even asked");
}

#[cfg(unix)]
#[test]
fn a_person_is_asked_and_may_say_no() {
    use crate::support::terminal::Terminal;

    let world = World::new(1);
    for (answer, code, refreshed) in [("n", 5, 0), ("", 5, 0), ("y", 0, 1)] {
        let mut terminal = Terminal::start(&world.ada.sandbox, ["server", "keys", &world.uri(), "--refresh"]);
        let shown = terminal.wait_for("load the keys of their providers anew? [y/N]");
        assert!(shown.contains("not for the ordinary rotation of keys"), "{shown}");
        terminal.type_line(answer);
        let (exit, text) = terminal.wait();
        assert_eq!(exit, Some(code), "{text}");
        assert_eq!(world.nodes[0].commands("oidcRefreshKeys"), refreshed);
    }
}

#[cfg(unix)]
#[test]
fn pages_fit_their_terminal() {
    use crate::support::screen::assert_screens;

    let world = World::new(2);
    world.nodes[1].change(|behaviour| {
        behaviour.roles.clear();
        behaviour.members.push("db-3.internal.example:27017".to_owned());
    });
    assert_screens(&world.ada.sandbox, "server-keys", &["server", "keys", &world.uri()]);
}
