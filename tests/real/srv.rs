//! `mongodb+srv://`: what DNS records may say, and where a token goes for it.
//!
//! Resolvers read `/etc/resolv.conf` and ask on port 53. So each test has a loopback network and that file for itself.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::alone;
use crate::support::browser::Browser;
use crate::support::cmd::{Outcome, Sandbox};
use crate::support::dns::{self, Dns};
use crate::support::idp::{CLIENT_ID, Idp, SignIn};
use crate::support::mongod::Mongod;

const NETWORK: alone::Place = alone::Place {
    without: &["--net"],
    made_by: "ip link set lo up; mount --bind \"$1/resolv.conf\" /etc/resolv.conf
        [ ! -e /etc/nsswitch.conf ] || mount --bind \"$1/nsswitch.conf\" /etc/nsswitch.conf",
    name: "network of its own for the DNS server (and `ip`)",
};

/// Runs `test`, the whole of the test function of this name in this file, beside a DNS server.
fn with_dns(name: &str, test: impl FnOnce(&Dns)) {
    let prepare = |folder: &Path| {
        std::fs::write(folder.join("resolv.conf"), format!("nameserver {}\n", dns::ADDRESS)).unwrap();
        // Not through a daemon that asks the real network.
        std::fs::write(folder.join("nsswitch.conf"), "hosts: files dns\n").unwrap();
    };
    NETWORK.run(&format!("srv::{name}"), prepare, || test(&Dns::start()));
}

/// A provider, a server with TLS that trusts it, and DNS records that lead from two clusters to the server.
struct Clusters<'a> {
    dns: &'a Dns,
    server: Mongod,
    sandbox: Sandbox,
    idp: Idp,
}

/// On the drivers' own list, as Atlas has them.
const ATLAS: &str = "cluster0.abcde.mongodb.net";
const ATLAS_SHARD: &str = "shard-00.abcde.mongodb.net";
/// The company's own.
const OWN: &str = "db.corp.example";
const OWN_SHARD: &str = "db1.corp.example";

impl<'a> Clusters<'a> {
    /// Nobody has signed in, and nothing but the server names the provider.
    fn start(dns: &'a Dns) -> Self {
        let idp = Idp::start_with(|behaviour| {
            behaviour.sign_in = SignIn::Auto("ada".into());
            // What is left of it reads the same for hours.
            behaviour.access_token_lifetime = Duration::from_secs(200_000);
        });
        let server = Mongod::start_with(&idp, |behaviour| {
            behaviour.tls = Some([ATLAS_SHARD, OWN_SHARD].map(str::to_owned).into());
        });
        let mut sandbox = Sandbox::new();
        sandbox.env("MDB_LOGIN_REDIRECT_URI", "http://localhost:0/redirect").hide(idp.issuer(), "[ISSUER]");
        std::fs::write(sandbox.home().join("ca.pem"), Mongod::ca_pem()).unwrap();
        let clusters = Self { dns, server, sandbox, idp };
        for (cluster, shard) in [(ATLAS, ATLAS_SHARD), (OWN, OWN_SHARD)] {
            clusters.lead(cluster, shard);
            dns.a(shard, Ipv4Addr::LOCALHOST);
        }
        clusters
    }

    /// Somebody has signed in at the provider, which the environment names: for every connection string.
    fn signed_in(dns: &'a Dns) -> Self {
        let mut clusters = Self::start(dns);
        clusters.sandbox.env("MDB_LOGIN_ISSUER", clusters.idp.issuer()).env("MDB_LOGIN_CLIENT_ID", CLIENT_ID);
        clusters.sign_in(&[]);
        clusters
    }

    fn sign_in(&self, arguments: &[&str]) {
        let mut login = self.sandbox.spawn([&["login", "--no-browser"], arguments].concat());
        Browser::new().open(&login.start_url());
        login.wait().exits(0);
    }

    fn ca_file(&self) -> String {
        self.sandbox.home().join("ca.pem").to_str().unwrap().to_owned()
    }

    /// `mongodb+srv://NAME`, with the authority of the server's certificate.
    fn uri(&self, name: &str) -> String {
        format!("mongodb+srv://{name}/?tlsCAFile={}", self.ca_file())
    }

    /// Makes `mongodb+srv://NAME` lead to the server under this name of it.
    fn lead(&self, name: &str, shard: &str) {
        self.dns.srv(name, [(shard, self.server.address().port())]);
    }

    /// What would hand the session's token to a server, for this connection string.
    fn uses(&self, uri: &str, flags: &[&str]) -> [Outcome; 2] {
        let verify = [&["verify", uri], flags].concat();
        let exec = [&["exec"], flags, &["--", "sh", "-c", "touch started", "sh", uri]].concat();
        [verify, exec].map(|line| self.sandbox.run(line))
    }

    /// There once `exec` has started its program.
    fn started(&self) -> PathBuf {
        self.sandbox.home().join("started")
    }
}

#[test]
#[ignore = "needs root or user namespaces; run tests/run"]
fn a_cluster_s_name_is_enough() {
    with_dns("a_cluster_s_name_is_enough", |dns| {
        let clusters = Clusters::start(dns);
        let (uri, sandbox) = (clusters.uri(ATLAS), &clusters.sandbox);
        let bare = format!("mongodb+srv://{ATLAS}");
        let discovered = "
            exit 0
            --- stdout
            issuer     [ISSUER]
            client id  mongodb-tools
            scopes     none of its own
        ";
        sandbox.run(["discover", &uri]).is(discovered);
        sandbox.run(["discover", &bare, "--ca-file", &clusters.ca_file()]).is(discovered);
        // SRV means TLS, so the certificate is looked at without a word about it.
        sandbox.run(["discover", &bare]).exits(10).says("cannot be trusted");

        clusters.sign_in(&[&uri, "--trust-server"]);
        sandbox.run(["verify", &uri]).is("
            exit 0
            --- stdout
            server  mongodb+srv://cluster0.abcde.mongodb.net, MongoDB 8.0.4
            user    test/00u-ada at $external
            roles   test/dba at admin
            token   valid for 2 days
        ");
        let token = sandbox.run(["token", &uri]).exits(0).stdout();
        let script = "echo \"$1\"; cat \"$OIDC_TOKEN_FILE\"";
        let outcome = sandbox.run(["exec", "--", "sh", "-c", script, "sh", &uri]).exits(0);
        let tail = "authMechanism=MONGODB-OIDC&authSource=%24external&authMechanismProperties=ENVIRONMENT:k8s";
        assert_eq!(outcome.stdout().trim_end(), format!("{uri}&{tail}\n{}", token.trim_end()));
        assert_eq!(clusters.server.refusals(), []);
    });
}

#[test]
#[ignore = "needs root or user namespaces; run tests/run"]
fn a_name_is_the_same_in_capitals_and_with_a_dot_at_its_end() {
    with_dns("a_name_is_the_same_in_capitals_and_with_a_dot_at_its_end", |dns| {
        let clusters = Clusters::signed_in(dns);
        for name in ["CLUSTER0.abcde.MongoDB.net", "cluster0.abcde.mongodb.net."] {
            for outcome in clusters.uses(&clusters.uri(name), &[]) {
                outcome.exits(0);
            }
        }
        assert_eq!(clusters.server.refusals(), []);
    });
}

#[test]
#[ignore = "needs root or user namespaces; run tests/run"]
fn hosts_are_judged_after_resolution() {
    with_dns("hosts_are_judged_after_resolution", |dns| {
        let clusters = Clusters::signed_in(dns);
        let own = clusters.uri(OWN);
        // What counts is where the records lead to, and whose they are: the owner of the name can change them.
        for (flags, stranger) in
            [(&[][..], OWN), (&["--trust-host", OWN][..], OWN_SHARD), (&["--trust-host", OWN_SHARD][..], OWN)]
        {
            for refused in clusters.uses(&own, flags) {
                refused.exits(10).says(&format!("`{stranger}` is not a host that tokens may be given to"));
            }
        }
        // SRV means TLS, and the connection string can take it away again.
        for refused in clusters.uses(&format!("mongodb+srv://{ATLAS}/?tls=false"), &[]) {
            refused.exits(10).says("the connection would not be encrypted");
        }
        // One of three is enough.
        let port = clusters.server.address().port();
        dns.srv("three.corp.example", [(OWN_SHARD, port), ("other.corp.example", port), (OWN_SHARD, port)]);
        for refused in clusters.uses(
            &clusters.uri("three.corp.example"),
            &["--trust-host", "three.corp.example", "--trust-host", OWN_SHARD],
        ) {
            refused.exits(10).says("`other.corp.example` is not a host that tokens may be given to");
        }
        assert!(!clusters.started().exists(), "a program was started");
        assert_eq!(clusters.server.counters().connections, 0, "a refused host has been connected to");

        for trusted in clusters.uses(&own, &["--trust-host", "*.corp.example"]) {
            trusted.exits(0);
        }
        assert!(clusters.started().exists());
        assert_eq!(clusters.server.refusals(), []);
    });
}

/// A TXT record may name the database to authenticate at, the replica set, and whether a
/// load balancer is in front. We authenticate at `$external`, whatever it says.
#[test]
#[ignore = "needs root or user namespaces; run tests/run"]
fn a_text_record_does_not_change_how_anybody_authenticates() {
    with_dns("a_text_record_does_not_change_how_anybody_authenticates", |dns| {
        let clusters = Clusters::signed_in(dns);
        for (name, text) in [("a.abcde.mongodb.net", "authSource=admin"), ("b.abcde.mongodb.net", "loadBalanced=false")]
        {
            clusters.lead(name, ATLAS_SHARD);
            dns.txt(name, text);
            let uri = clusters.uri(name);
            clusters.sandbox.run(["discover", &uri]).exits(0);
            let outcome = clusters.sandbox.run(["verify", &uri]).exits(0);
            assert!(outcome.stdout().contains("user    test/00u-ada at $external"), "{text}: {outcome:?}");
        }
        assert_eq!(clusters.server.refusals(), []);
    });
}

/// Row 100 of `tests/it/bad_input`: what DNS can answer, one row each, with the exit code and two parts of what is said. 7 for
/// records that are not to be had, 10 for records that break a rule.
#[test]
#[ignore = "needs root or user namespaces; run tests/run"]
fn every_bad_record_has_its_words_and_its_exit_code() {
    with_dns("every_bad_record_has_its_words_and_its_exit_code", |dns| {
        let clusters = Clusters::signed_in(dns);
        dns.srv("empty.abcde.mongodb.net", []);
        dns.fail("failing.abcde.mongodb.net");
        dns.ignore("silent.abcde.mongodb.net");
        clusters.lead("elsewhere.abcde.mongodb.net", "db1.evil.example");
        // On the drivers' list, and somebody else's.
        clusters.lead("neighbour.abcde.mongodb.net", "shard-00.fghij.mongodb.net");
        clusters.lead("suffix.abcde.mongodb.net", "shard-00.evilabcde.mongodb.net");
        clusters.lead("parent.abcde.mongodb.net", "abcde.mongodb.net");
        let port = clusters.server.address().port();
        dns.srv("one-of-two.abcde.mongodb.net", [(ATLAS_SHARD, port), ("db1.evil.example", port)]);
        for (name, texts) in [
            ("mechanism", &["authMechanism=PLAIN"][..]),
            ("properties", &["authMechanismProperties=ALLOWED_HOSTS:*"]),
            ("plain", &["authSource=admin&tls=false"]),
            ("rubbish", &["rubbish\u{1b}[31m"]),
            ("maybe", &["loadBalanced=maybe"]),
            ("two", &["authSource=admin", "replicaSet=rs0"]),
            ("words", &["SRV lookup for x returned no records"]),
        ] {
            let name = format!("{name}.abcde.mongodb.net");
            clusters.lead(&name, ATLAS_SHARD);
            texts.iter().for_each(|text| dns.txt(&name, text));
        }
        // More than a datagram carries, and more servers than anybody has.
        let hosts: Vec<String> = (0..1000).map(|number| format!("n{number}.corp.example")).collect();
        dns.srv("many.corp.example", hosts.iter().map(|host| (host.as_str(), 27017)));

        const ALL: &[&str] = &["discover", "verify", "exec"];
        let (none, elsewhere, silent) =
            ("DNS knows no servers for", "lead to another domain", "DNS does not say which");
        let (text, stranger) = ("says what no TXT record may say", "is not a host that tokens may be given to");
        for (name, commands, code, words, cause) in [
            ("nowhere.abcde.mongodb.net", ALL, 7, none, ""),
            ("empty.abcde.mongodb.net", ALL, 7, none, ""),
            ("failing.abcde.mongodb.net", ALL, 7, silent, "Server Failure"),
            ("silent.abcde.mongodb.net", ALL, 7, silent, "no answer within 1 s"),
            ("elsewhere.abcde.mongodb.net", ALL, 10, elsewhere, "db1.evil.example"),
            ("neighbour.abcde.mongodb.net", ALL, 10, elsewhere, "shard-00.fghij.mongodb.net"),
            ("suffix.abcde.mongodb.net", ALL, 10, elsewhere, "shard-00.evilabcde.mongodb.net"),
            ("parent.abcde.mongodb.net", ALL, 10, elsewhere, "abcde.mongodb.net"),
            ("one-of-two.abcde.mongodb.net", ALL, 10, elsewhere, "db1.evil.example"),
            ("mechanism.abcde.mongodb.net", ALL, 10, text, "'authmechanism'"),
            ("properties.abcde.mongodb.net", ALL, 10, text, "'authmechanismproperties'"),
            ("plain.abcde.mongodb.net", ALL, 10, text, "'tls'"),
            ("rubbish.abcde.mongodb.net", ALL, 10, text, "'rubbish\\u{1b}[31m'"),
            ("maybe.abcde.mongodb.net", ALL, 10, text, "'loadbalanced=maybe'"),
            ("two.abcde.mongodb.net", ALL, 10, text, "more than one record"),
            ("words.abcde.mongodb.net", ALL, 10, text, "SRV lookup for x returned no records"),
            // Nobody is there, as far as there was time to ask; and no token goes where but one of a thousand is trusted.
            ("many.corp.example", &["discover"], 7, "`mongodb+srv://many.corp.example`", ""),
            ("many.corp.example", &["verify", "exec"], 10, stranger, ".corp.example"),
        ] {
            let uri = clusters.uri(name);
            let limit = ["--http-timeout", "1s"];
            let trusted = ["--trust-host", "many.corp.example", "--trust-host", "n0.corp.example"];
            let [verify, exec] = clusters.uses(&uri, &[&limit[..], &trusted].concat());
            let discover = clusters.sandbox.run([&["discover", &uri], &limit[..]].concat());
            for (command, outcome) in ALL.iter().zip([discover, verify, exec]) {
                if commands.contains(command) {
                    outcome.exits(code).says(words).says(cause).within(Duration::from_secs(30));
                }
            }
        }
        assert!(!clusters.started().exists(), "a program was started");
        assert_eq!(clusters.server.counters().connections, 0, "somebody has been connected to");
    });
}
