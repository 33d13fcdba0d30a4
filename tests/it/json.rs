//! `--json` is what `docs/json` says it is: each kind of object that the real program prints is held against its schema,
//! and a field that the schema does not have, or that is missing, fails.
//!
//! A new command gets a file in `docs/json` and a row in [`every_object_is_as_documented`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Mutex;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

use crate::cases::each;
use crate::signed_in::{SignedIn, sign_in};
use crate::support::cmd::{Outcome, Sandbox};
use crate::support::idp::{Answer, Endpoint, Reply, SignIn};
use crate::support::mongod::Mongod;

/// Somebody who has signed in, and a server that takes the token; the environment names the provider.
struct World {
    ada: SignedIn,
    server: Mongod,
}

impl World {
    fn new() -> Self {
        let ada = SignedIn::new();
        let server = Mongod::start(&ada.idp);
        Self { ada, server }
    }

    fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        self.ada.run(arguments)
    }

    /// Runs commands for a program that is no client of a provider, and gives what came of the last.
    fn run_program(&self, commands: &[&[&str]]) -> Outcome {
        let sandbox = Sandbox::new();
        let path = sandbox.home().join("token.jwt");
        std::fs::write(&path, self.ada.idp.access_token("ada")).unwrap();
        sandbox.write_config(&format!("[profile.job]\nkind = 'file'\nsource_file = {path:?}\n"));
        let mut outcomes: Vec<_> = commands.iter().map(|command| sandbox.run(*command).exits(0)).collect();
        outcomes.pop().unwrap()
    }

    /// Writes the profile `prod`, and the least of a second one.
    fn configure(&self) {
        let issuer = self.ada.idp.issuer();
        let text = format!(
            "defaults.http_timeout = '9s'\n[profile.prod]\nissuer = {issuer:?}\nclient_id = 'mongodb-tools'\n\
             uri = {:?}\nbrowser = ['firefox', '%s']\nmax_age = 60\nauth_param.x = 'y'\nallowed_host = 'a.example'\n\
             [profile.empty]\n",
            self.server.uri()
        );
        self.ada.sandbox.write_config(&text);
    }

    /// The provider has ended the session, and we have heard of it.
    fn end(&self) {
        self.ada.idp.end_all_sessions();
        self.run(["token", "--force-refresh"]).exits(4);
    }
}

/// The schema of what stdout gets, or `error` if it stays empty, and how to get there. Warnings need no row of their own.
type Row = (&'static str, fn(&World) -> Outcome);

#[test]
fn every_object_is_as_documented() {
    let rows: Vec<Row> = vec![
        ("login", |w| sign_in(&w.ada.sandbox, &["--json"])),
        ("token", |w| w.run(["token", "--json"]).exits(0)),
        ("token", |w| w.run(["token", "--output", "json"]).exits(0)),
        ("status", |w| w.run(["status", "--json"]).exits(0)),
        ("status", |w| {
            sign_in(&w.ada.sandbox, &["--login-hint", "ada"]);
            w.run(["status", "--json", "--login-hint", "ada"]).exits(0)
        }),
        ("status", |w| {
            w.configure();
            w.end();
            w.run(["status", "prod", "--json"]).exits(4)
        }),
        ("token", |w| w.run_program(&[&["token", "--json"]])),
        ("login", |w| w.run_program(&[&["login", "--json"]])),
        ("status", |w| w.run_program(&[&["token"], &["status", "--json"]])),
        ("profile-show", |w| w.run_program(&[&["profile", "show", "job", "--json"]])),
        ("status-all", |w| w.run(["status", "--all", "--json"]).exits(0)),
        ("logout", |w| w.run(["logout", "--json"]).exits(0)),
        ("logout", |w| {
            w.ada.idp.always(Endpoint::Revocation, Answer::Instead(Reply::json(503, &json!({}))));
            w.run(["logout", "--json"]).exits(0)
        }),
        ("logout-all", |w| w.run(["logout", "--all", "--json"]).exits(0)),
        ("discover", |w| w.run(["discover", &w.server.uri(), "--json"]).exits(0)),
        ("discover", |w| {
            w.server.change(|behaviour| {
                behaviour.identity_providers[0].client_id = None;
                behaviour.identity_providers[0].request_scopes = Some(vec!["groups".into()]);
            });
            w.run(["discover", &format!("mongodb://ada@{}", w.server.address()), "--json"]).exits(5)
        }),
        ("verify", |w| w.run(["verify", &w.server.uri(), "--json", "--privileges"]).exits(0)),
        ("inspect", |w| w.run(["inspect", "--json"]).exits(0)),
        ("inspect", |w| {
            std::fs::write(w.ada.sandbox.home().join("token.jwt"), "opaque").unwrap();
            w.run(["inspect", "token.jwt", "--json"]).exits(5)
        }),
        ("inspect", |w| w.run(["inspect", "--offline", "--no-group-claim", "--json"]).exits(7)),
        ("doctor", |w| w.run(["doctor", &w.server.uri(), "--json"]).exits(0)),
        ("doctor", |w| {
            w.ada.idp.set_up(false);
            w.run(["doctor", "--json"]).exits(7)
        }),
        ("uri", |w| w.run(["uri", "mongodb://db.example.com/?tls=true", "--json"]).exits(0)),
        ("man", |w| w.run(["man", "--dir", "man", "--json"]).exits(0)),
        ("exec-print-env", |w| w.run(["exec", "--print-env", "--json"]).exits(0)),
        ("profile-list", |w| {
            w.configure();
            w.run(["profile", "list", "--json"]).exits(0)
        }),
        ("profile-show", |w| w.run(["profile", "show", "--json"]).exits(0)),
        ("profile-show", |w| {
            w.configure();
            w.run(["profile", "show", "prod", "--json"]).exits(0)
        }),
        ("profile-show-origin", |w| {
            w.configure();
            w.run(["profile", "show", "prod", "--origin", "--json"]).exits(0)
        }),
        ("profile-set", |w| w.run(["profile", "set", "prod", "timeout=5m", "--json"]).exits(0)),
        ("profile-unset", |w| {
            w.configure();
            w.run(["profile", "unset", "prod", "max_age", "timeout", "--json"]).exits(0)
        }),
        ("profile-use", |w| {
            w.configure();
            w.run(["profile", "use", "prod", "--json"]).exits(0)
        }),
        ("profile-rename", |w| {
            w.configure();
            w.run(["profile", "rename", "prod", "production", "--json"]).exits(0)
        }),
        ("profile-remove", |w| {
            w.configure();
            w.run(["profile", "remove", "prod", "--json"]).exits(0)
        }),
        ("profile-trust", |w| w.run(["profile", "trust", &w.server.uri(), "--yes", "--json"]).exits(0)),
        ("server-check", |w| {
            std::fs::write(w.ada.sandbox.home().join("mongod.conf"), crate::server_check::GOOD).unwrap();
            w.run(["server", "check", "mongod.conf", "--json"]).exits(0)
        }),
        ("server-check", |w| {
            let text = crate::server_check::GOOD.replace("\"0oa1\"", "\"0oa1\", \"matchPattern\": \"@a$\"");
            std::fs::write(w.ada.sandbox.home().join("mongod.conf"), text.replace("corp", "c p")).unwrap();
            w.run(["server", "check", "mongod.conf", "--json"]).exits(3)
        }),
        ("server-config", |w| w.run(["server", "config", "--name", "corp", "--json"]).exits(0)),
        ("setup", |w| w.run(["setup", "entra", "--json"]).exits(0)),
        ("setup", |w| w.run(["setup", "kubernetes", "--workload", "--json"]).exits(0)),
        ("setup", |w| {
            w.configure();
            let known = ["--issuer", w.ada.idp.issuer(), "--client-id", "mongodb-tools", "--audience", "db"];
            w.run(["setup", "generic", "--profile", "prod", "--json", "--yes"].iter().chain(&known)).exits(0)
        }),
        ("server-keys", |w| w.run(["server", "keys", &w.server.uri(), "--json"]).exits(0)),
        ("server-keys", |w| {
            w.server.change(|behaviour| {
                behaviour.replica_set = Some("rs0".into());
                behaviour.members = vec!["evil.example:27017".into(), "127.0.0.1:1".into()];
            });
            w.run(["server", "keys", &w.server.uri(), "--refresh", "--yes", "--json"]).exits(10)
        }),
        ("error", |w| w.run(["token", "--nonsense", "--json"]).exits(2)),
        ("error", |w| {
            w.ada.sandbox.write_config("nonsense");
            w.run(["token", "--json"]).exits(3)
        }),
        ("error", |w| {
            w.end();
            w.run(["token", "--force-refresh", "--json"]).exits(4)
        }),
        ("error", |w| {
            w.ada.idp.change(|behaviour| behaviour.sign_in = SignIn::Refuse("access_denied".into()));
            let mut login = w.ada.spawn(["login", "--json"]);
            crate::support::browser::Browser::new().open(&login.start_url());
            login.wait().exits(5)
        }),
        ("error", |w| w.run(["discover", "mongodb://127.0.0.1:1", "--json"]).exits(7)),
        ("error", |w| {
            std::fs::write(w.ada.file("json"), "{").unwrap();
            w.run(["status", "--json"]).exits(8)
        }),
    ];
    let seen = Mutex::new(BTreeSet::new());
    each(rows, |(schema, run)| {
        let documented = Documented::read();
        let outcome = run(&World::new());
        let objects = objects(schema, &outcome);
        assert!(objects.iter().any(|(name, _)| *name == schema), "no {schema}: {outcome:?}");
        for (name, object) in objects {
            documented.check(name, &object).unwrap_or_else(|why| panic!("{why}\n{object:#}"));
            seen.lock().unwrap().insert(name.to_owned());
        }
    });
    assert_eq!(seen.into_inner().unwrap(), files().into_keys().collect(), "what was printed, and files in docs/json");
}

/// What was printed, with the names of the schemas: one line of stdout for `schema`, and the errors and warnings on stderr.
fn objects(schema: &'static str, outcome: &Outcome) -> Vec<(&'static str, Value)> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    let stdout = outcome.stdout();
    let result = (!stdout.is_empty()).then(|| (schema, read(&stdout)));
    assert!(stdout.lines().count() <= 1, "{outcome:?}");
    let stderr = outcome.stderr();
    // What a person has to see (an address, a code) is text all the same.
    let said = stderr.lines().filter(|line| line.starts_with('{')).map(|line| {
        let object: Value = read(line);
        (if object.get("warning").is_some() { "warning" } else { "error" }, object)
    });
    result.into_iter().chain(said).collect()
}

#[test]
fn a_field_that_is_not_documented_or_not_there_fails() {
    let documented = Documented::read();
    let session = SignedIn::new().status();
    let check = |patch: fn(&mut Value)| {
        let mut patched = json!({ "schema": 1, "sessions": [session.clone()] });
        patch(&mut patched);
        documented.check("status-all", &patched).is_ok()
    };
    assert!(check(|_| {}));
    let patches: [fn(&mut Value); 9] = [
        |object| object["more"] = json!(1),
        |object| object["sessions"][0]["more"] = json!(null),
        |object| object["sessions"][0]["ended"] = json!({ "at": 1, "reason": "x", "more": 1 }),
        |object| object["sessions"][0]["ended"] = json!({ "at": 1 }),
        |object| object["sessions"][0]["expired"] = json!("no"),
        |object| object["sessions"][0]["store"] = json!("paper"),
        |object| _ = object["sessions"][0].as_object_mut().unwrap().remove("who"),
        |object| object["schema"] = json!(2),
        |object| *object = json!([]),
    ];
    for (row, patch) in patches.into_iter().enumerate() {
        assert!(!check(patch), "row {row} passes");
    }
}

/// A field may be null, and is never left out: nobody has to ask two questions.
#[test]
fn schemas_name_and_explain_every_field() {
    for (name, schema) in files() {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{name}");
        assert!(schema["required"].as_array().unwrap().contains(&json!("schema")), "{name}");
        objects_of(&schema, &mut |properties, required| {
            let required: BTreeSet<_> = required.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            assert_eq!(properties.keys().map(String::as_str).collect::<BTreeSet<_>>(), required, "{name}");
            for (field, meaning) in properties {
                let told = ["description", "$ref"].iter().any(|key| meaning.get(key).is_some());
                assert!(told, "{name}: what is `{field}`?");
            }
        });
    }
}

/// Calls `look` with the properties and the required ones of each object in the schema.
fn objects_of(schema: &Value, look: &mut dyn FnMut(&serde_json::Map<String, Value>, &Value)) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                look(properties, fields.get("required").unwrap_or(&Value::Null));
            }
            fields.values().for_each(|value| objects_of(value, look));
        }
        Value::Array(items) => items.iter().for_each(|item| objects_of(item, look)),
        _ => {}
    }
}

/// The schemas, compiled.
struct Documented {
    schemas: Schemas,
    index: BTreeMap<String, SchemaIndex>,
}

impl Documented {
    fn read() -> Self {
        let url = |name: &str| format!("https://example.com/{name}.json");
        let (mut schemas, mut compiler, files) = (Schemas::new(), Compiler::new(), files());
        for (name, schema) in &files {
            let mut schema = schema.clone();
            make_strict(&mut schema);
            compiler.add_resource(&url(name), schema).unwrap();
        }
        let compile = |name: &String| match compiler.compile(&url(name), &mut schemas) {
            Ok(index) => (name.clone(), index),
            Err(error) => panic!("docs/json/{name}.json: {error:#}"),
        };
        let index = files.keys().map(compile).collect();
        Self { schemas, index }
    }

    fn check(&self, name: &str, object: &Value) -> Result<(), String> {
        let index = *self.index.get(name).unwrap_or_else(|| panic!("there is no docs/json/{name}.json"));
        self.schemas.validate(object, index).map_err(|error| format!("{name}: {error:#}"))
    }
}

/// Leaves no room for fields that are not named. In the files there is: whoever reads them must be ready for more fields.
fn make_strict(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(make_strict);
            if fields.contains_key("properties") {
                fields.insert("additionalProperties".into(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_strict),
        _ => {}
    }
}

/// `docs/json/NAME.json`, by name.
fn files() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let schemas = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    schemas
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let schema = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (name, schema)
        })
        .collect()
}
