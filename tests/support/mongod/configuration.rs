//! The file that a server is started from, as strictly as the server reads it: `mongod.conf`, which JSON may be as well.
//!
//! Rules and words are those of Percona Server for MongoDB 8.0, whose source is public: it refuses everything that the
//! manual of MongoDB refuses, and a little more. An issuer is not looked at before its keys are wanted.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize as _;
use yaml_serde::Value;

use super::behaviour::IdentityProvider;
use super::json::{self, Json};

/// What a file sets, of what is of interest here.
pub(super) struct Configuration {
    pub mechanisms: Vec<String>,
    pub identity_providers: Vec<IdentityProvider>,
    pub jwks_quiet: Duration,
}

/// Options of the file that tests use. The server knows more, and starts with no other.
const OPTIONS: [&str; 10] = [
    "net.bindIp",
    "net.port",
    "processManagement.fork",
    "replication.replSetName",
    "security.authorization",
    "security.keyFile",
    "sharding.clusterRole",
    "storage.dbPath",
    "systemLog.destination",
    "systemLog.path",
];

/// Reads a file. The error is why the server would not start.
pub(super) fn read(text: &str) -> Result<Configuration, String> {
    let mut found = Configuration {
        mechanisms: vec!["SCRAM-SHA-1".to_owned(), "SCRAM-SHA-256".to_owned()],
        identity_providers: Vec::new(),
        jwks_quiet: Duration::from_secs(60),
    };
    // Of several documents the first.
    let Some(document) = yaml_serde::Deserializer::from_str(text).next() else { return Ok(found) };
    let root = Value::deserialize(document).map_err(|error| format!("Error parsing YAML config file: {error}"))?;
    match root {
        Value::Null => {}
        Value::Mapping(root) => {
            for (name, value) in &root {
                take(&scalar(name)?, value, &mut found)?;
            }
        }
        _ => return Err("No map found at top level of YAML config".to_owned()),
    }
    Ok(found)
}

/// One option, or a section of some. `path` is dotted.
fn take(path: &str, value: &Value, found: &mut Configuration) -> Result<(), String> {
    match value {
        Value::Mapping(parameters) if path == "setParameter" => {
            parameters.iter().try_for_each(|(name, value)| set(&scalar(name)?, &scalar(value)?, found))
        }
        Value::Mapping(section) => {
            section.iter().try_for_each(|(name, value)| take(&format!("{path}.{}", scalar(name)?), value, found))
        }
        _ if path == "setParameter" => {
            Err("Option: setParameter is of type StringMap, but value in YAML config is not a map type".to_owned())
        }
        _ if OPTIONS.contains(&path) => scalar(value).map(drop),
        _ => Err(format!("Unrecognized option: {path}")),
    }
}

/// What is written; the server looks at no types here, and at no tags.
fn scalar(value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.clone()),
        Value::Tagged(tagged) => scalar(&tagged.value),
        Value::Sequence(_) | Value::Mapping(_) => {
            Err("setParameter has a map with non scalar values, which is not allowed".to_owned())
        }
    }
}

/// A server parameter at the start, where every value is a string.
fn set(name: &str, value: &str, found: &mut Configuration) -> Result<(), String> {
    let bad = |why: String| format!("Bad value for parameter \"{name}\": {why}");
    match name {
        "authenticationMechanisms" => found.mechanisms = value.split(',').map(str::to_owned).collect(),
        "enableTestCommands" => {}
        "JWKSMinimumQuiescePeriodSecs" => {
            let seconds = value.parse::<i32>().ok().and_then(|seconds| u64::try_from(seconds).ok());
            found.jwks_quiet = Duration::from_secs(seconds.ok_or_else(|| bad("not a number from 0 on".to_owned()))?);
        }
        "oidcIdentityProviders" => {
            if !value.trim_start().starts_with('[') {
                return Err(bad("is not an array serialized to a string".to_owned()));
            }
            let Json::Array(elements) = json::parse(value).map_err(bad)? else { unreachable!() };
            let entries: Result<Vec<Entry>, String> = elements.iter().map(Entry::parse).collect();
            let entries = entries.map_err(bad)?;
            validate(&entries).map_err(bad)?;
            found.identity_providers = entries.into_iter().map(|entry| entry.provider).collect();
        }
        _ => return Err(format!("Unknown --setParameter '{name}'")),
    }
    Ok(())
}

/// An element of the list, with what of it is only validated.
struct Entry {
    provider: IdentityProvider,
    poll_secs: i32,
    ca_file: String,
}

impl Entry {
    /// Every field once, by a known name, of its own type; null is as if it were not there.
    fn parse(element: &Json) -> Result<Self, String> {
        let Json::Object(fields) = element else {
            return Err(format!("is the wrong type '{}', expected type 'object'", element.type_name()));
        };
        let (mut names, mut required) = (BTreeSet::new(), BTreeSet::from(["issuer", "audience", "authNamePrefix"]));
        let mut entry = Self { provider: IdentityProvider::workforce(""), poll_secs: 0, ca_file: String::new() };
        let provider = &mut entry.provider;
        (provider.client_id, provider.authorization_claim) = (None, String::new());
        let mut claim = None;
        for (name, value) in fields {
            if !names.insert(name) {
                return Err(format!("BSON field '{name}' is a duplicate field"));
            }
            if *value == Json::Null {
                continue;
            }
            required.remove(name.as_str());
            match name.as_str() {
                "issuer" => provider.issuer = text(name, value)?,
                "audience" => provider.audience = text(name, value)?,
                "authNamePrefix" => provider.auth_name_prefix = text(name, value)?,
                "matchPattern" => {
                    let pattern = text(name, value)?;
                    regress::Regex::new(&pattern).map_err(|error| format!("Invalid {name}: {error}"))?;
                    provider.match_pattern = Some(pattern);
                }
                "clientId" => provider.client_id = Some(text(name, value)?),
                "requestScopes" => provider.request_scopes = Some(texts(name, value)?),
                "principalName" => provider.principal_name = text(name, value)?,
                "useAuthorizationClaim" => provider.use_authorization_claim = switch(name, value)?,
                "authorizationClaim" => claim = Some(text(name, value)?),
                "logClaims" => _ = texts(name, value)?,
                "JWKSPollSecs" => match value {
                    Json::Int(seconds) if *seconds >= 0 => entry.poll_secs = *seconds,
                    Json::Int(seconds) => return Err(format!("{name} must be at least 0, and is {seconds}")),
                    other => return Err(wrong_type(name, other, "int")),
                },
                "supportsHumanFlows" => provider.supports_human_flows = switch(name, value)?,
                "serverCAFile" => entry.ca_file = text(name, value)?,
                _ => return Err(format!("BSON field '{name}' is an unknown field")),
            }
        }
        if let Some(name) = required.first() {
            return Err(format!("BSON field '{name}' is missing but a required field"));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if let Some(bad) = provider.auth_name_prefix.chars().find(|c| !legal(*c)) {
            return Err(format!("`authNamePrefix` contains illegal char `{bad}`"));
        }
        if provider.supports_human_flows && provider.client_id.is_none() {
            return Err("`clientId` must present if `supportsHumanFlows` is `true`".to_owned());
        }
        if provider.use_authorization_claim && claim.is_none() {
            return Err("`authorizationClaim` must present if `useAuthorizationClaim` is `true`".to_owned());
        }
        provider.authorization_claim = claim.unwrap_or_default();
        Ok(entry)
    }
}

fn wrong_type(name: &str, value: &Json, expected: &str) -> String {
    format!("BSON field '{name}' is the wrong type '{}', expected type '{expected}'", value.type_name())
}

fn text(name: &str, value: &Json) -> Result<String, String> {
    if let Json::Text(text) = value { Ok(text.clone()) } else { Err(wrong_type(name, value, "string")) }
}

fn texts(name: &str, value: &Json) -> Result<Vec<String>, String> {
    let Json::Array(items) = value else { return Err(wrong_type(name, value, "array")) };
    items.iter().map(|item| text(name, item)).collect()
}

fn switch(name: &str, value: &Json) -> Result<bool, String> {
    if let Json::Bool(value) = value { Ok(*value) } else { Err(wrong_type(name, value, "bool")) }
}

/// The rules for all entries together.
fn validate(entries: &[Entry]) -> Result<(), String> {
    let pattern = |entry: &Entry| entry.provider.match_pattern.is_some();
    if !entries.is_sorted_by_key(|entry| !pattern(entry)) {
        return Err("configurations without the `matchPattern` field must be listed after those with it".to_owned());
    }
    let human: Vec<_> = entries.iter().filter(|entry| entry.provider.supports_human_flows).collect();
    if human.len() > 1 && !human.iter().all(|entry| pattern(entry)) {
        return Err("`supportsHumanFlows` enabled but there is no `matchPattern`".to_owned());
    }
    for (index, entry) in entries.iter().enumerate() {
        for earlier in entries.iter().take(index).filter(|earlier| earlier.provider.issuer == entry.provider.issuer) {
            let issuer = &entry.provider.issuer;
            if earlier.provider.audience == entry.provider.audience {
                return Err(format!("`audience` should be unique for each configuration that shares `{issuer}`"));
            }
            if (earlier.poll_secs, &earlier.ca_file) != (entry.poll_secs, &entry.ca_file) {
                return Err(format!("`JWKSPollSecs` and `serverCAFile` should be the same for `{issuer}`"));
            }
        }
    }
    Ok(())
}
