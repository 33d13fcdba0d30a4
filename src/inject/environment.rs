//! The variables of the program: those that it gets, and those that would do harm beside them.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::{Plan, Way};
use crate::error::{Error, Kind, Result};

/// Tells a program, and the next `exec`, that there is one already.
const EXEC: &str = "MDB_LOGIN_EXEC";
/// For programs that take any path of a token; the same as [`K8S`].
const TOKEN_FILE: &str = "MDB_LOGIN_TOKEN_FILE";
/// In seconds since 1970, of the token at the start.
const TOKEN_EXPIRES_AT: &str = "MDB_LOGIN_TOKEN_EXPIRES_AT";
/// Where `ENVIRONMENT:k8s` looks for the path of the token. Both, because PyMongo takes the last of them and all
/// others the first; both are also read by the libraries of the clouds that they are named after.
const K8S: [&str; 2] = [AZURE_FILE, AWS_FILE];
const AZURE_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const AWS_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// Where `ENVIRONMENT:test` looks for it.
const TEST: &str = "OIDC_TOKEN_FILE";
const PARENT_HANDLE: &str = "MONGOSH_OIDC_PARENT_HANDLE";

/// Where the program finds its tokens.
pub enum Delivery {
    /// The value of `MONGOSH_OIDC_PARENT_HANDLE`. Holds a key.
    Handle(OsString),
    File {
        path: OsString,
        expires_at: String,
    },
}

impl Delivery {
    /// Words in place of what does not exist yet. `dir` is the folder that would be made.
    pub fn described(way: Way, dir: &Path) -> Self {
        match way {
            Way::Mongosh => Self::Handle("[key and socket, made for each run]".into()),
            Way::K8s | Way::File => Self::File {
                path: dir.join(super::private_dir::TOKEN).into(),
                expires_at: "[seconds since 1970]".to_owned(),
            },
        }
    }
}

/// Everything that is set for the program, the plan's own last.
pub fn variables(plan: &Plan, delivery: &Delivery) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = vec![(EXEC.into(), plan.way.name().into())];
    match delivery {
        Delivery::Handle(handle) => all.push((PARENT_HANDLE.into(), handle.clone())),
        Delivery::File { path, expires_at } => {
            all.extend([TOKEN_FILE, TEST].into_iter().chain(K8S).map(|name| (name.into(), path.clone())));
            all.push((TOKEN_EXPIRES_AT.into(), expires_at.into()));
        }
    }
    all.extend(plan.env.iter().cloned());
    all
}

/// What of `environment` stands against the plan.
///
/// # Errors
/// [`Kind::Usage`], with the reason and the flag that overrides it.
pub fn check(plan: &Plan, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<()> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    if set(EXEC).is_some() && !plan.allow_nested {
        return Err(Error::new(
            Kind::Usage,
            "this runs inside of another `mdb-login exec`, which hands out tokens already",
        )
        .hint("run the program itself")
        .hint("for a session of its own: `mdb-login exec --nested -- …`"));
    }
    if plan.way == Way::Mongosh || plan.allow_cloud_env {
        return Ok(());
    }
    let own = plan.token_file.as_ref().map(|path| path.as_os_str());
    let Some((names, why)) = cloud_conflict(&set, own) else { return Ok(()) };
    let are_set = if names.len() == 1 { "is set" } else { "are set" };
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let unset: Vec<String> = names.iter().map(|name| format!("-u {name}")).collect();
    Err(Error::new(Kind::Usage, format!("{} {are_set}: {why}", quoted.join(" and ")))
        .hint(format!("run it without: `env {} mdb-login exec -- …`", unset.join(" ")))
        .hint("if the program speaks to no cloud: `mdb-login exec --allow-cloud-env -- …`"))
}

/// Variables that make a cloud's library read the token file that is meant for MongoDB and send the token off, or that
/// have a token file of their own; and what would come of it. `own` is the file of the session's tokens, if there is one.
fn cloud_conflict(
    set: &dyn Fn(&str) -> Option<OsString>,
    own: Option<&OsStr>,
) -> Option<(Vec<&'static str>, &'static str)> {
    const AWS: &[&str] = &["AWS_ROLE_ARN"];
    const AZURE: &[&str] = &["AZURE_CLIENT_ID", "AZURE_TENANT_ID"];
    let all_set = |names: &[&str]| names.iter().all(|name| set(name).is_some());
    // A cloud's library finds the token that it would find without us.
    let is_own = |name: &str| own.is_some() && set(name).as_deref() == own;
    if all_set(AWS) && !is_own(AWS_FILE) {
        return Some((AWS.to_vec(), "beside the token file, AWS libraries would send the token for MongoDB to AWS"));
    }
    if all_set(AZURE) && !is_own(AZURE_FILE) {
        let why = "beside the token file, Azure libraries would send the token for MongoDB to Entra ID";
        return Some((AZURE.to_vec(), why));
    }
    // An outer `exec` has set them to its own file.
    let ours = set(TOKEN_FILE);
    let taken = |name: &&str| !is_own(name) && set(name).is_some_and(|value| Some(value) != ours);
    let taken: Vec<&str> = K8S.into_iter().filter(taken).collect();
    (!taken.is_empty())
        .then_some((taken, "the program would find the token for MongoDB in place of the one that is there"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::SessionProvider;

    fn plan(way: Way) -> Plan {
        Plan {
            program: "mongodump".into(),
            args: Vec::new(),
            way,
            env: vec![("MDB_LOGIN_TOKEN_FILE".into(), "mine".into())],
            provider: SessionProvider::default(),
            token_file: None,
            allow_nested: false,
            allow_cloud_env: false,
        }
    }

    #[test]
    fn what_stands_against_a_program_is_named_with_the_reason() {
        const CLOUD: &[&str] = &["AWS_ROLE_ARN=arn", "AZURE_CLIENT_ID=c", "AZURE_TENANT_ID=t"];
        type Row<'a> = (Way, &'a [&'a str], Option<&'a str>);
        let rows: &[Row<'_>] = &[
            (Way::K8s, &[], None),
            (Way::K8s, &["AWS_ROLE_ARN=", "AWS_WEB_IDENTITY_TOKEN_FILE=", "MDB_LOGIN_EXEC="], None),
            (Way::K8s, &["AWS_ROLE_ARN=arn"], Some("`AWS_ROLE_ARN` is set: beside")),
            (Way::File, &["AWS_ROLE_ARN=arn"], Some("to AWS")),
            (Way::K8s, &["AZURE_CLIENT_ID=c"], None),
            (Way::K8s, &["AZURE_TENANT_ID=t"], None),
            (Way::K8s, &CLOUD[1..], Some("`AZURE_CLIENT_ID` and `AZURE_TENANT_ID` are set: beside")),
            (Way::K8s, &["AZURE_FEDERATED_TOKEN_FILE=/eks"], Some("`AZURE_FEDERATED_TOKEN_FILE` is set: the program")),
            (Way::K8s, &["MDB_LOGIN_TOKEN_FILE=/outer", "AWS_WEB_IDENTITY_TOKEN_FILE=/outer"], None),
            (Way::K8s, &["MDB_LOGIN_TOKEN_FILE=/outer", "AWS_WEB_IDENTITY_TOKEN_FILE=/eks"], Some("is set")),
            (Way::K8s, &["MDB_LOGIN_EXEC=k8s"], Some("inside of another")),
            (Way::Mongosh, CLOUD, None),
            (Way::Mongosh, &["MDB_LOGIN_EXEC=k8s"], Some("inside of another")),
        ];
        for (way, variables, expected) in rows {
            let lookup = |name: &str| {
                let pairs = variables.iter().map(|pair| pair.split_once('=').unwrap());
                pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            };
            match (check(&plan(*way), &lookup), expected) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) => {
                    assert!(error.message().contains(part) && error.kind() == Kind::Usage, "{variables:?}: {error:?}");
                    assert!(error.hints().iter().any(|hint| hint.contains("`mdb-login exec --")), "{error:?}");
                }
                (result, _) => panic!("{variables:?}: {result:?}"),
            }
        }
        // In a pod on EKS or AKS, whose session is that very file: nothing changes for the cloud's library.
        let pod = |name: &str| match name {
            "AWS_ROLE_ARN" | "AZURE_CLIENT_ID" | "AZURE_TENANT_ID" => Some("set".into()),
            AZURE_FILE | AWS_FILE => Some("/pod/token".into()),
            _ => None,
        };
        assert!(check(&Plan { token_file: Some("/pod/token".into()), ..plan(Way::K8s) }, &pod).is_ok());
        assert!(check(&Plan { token_file: Some("/pod/other".into()), ..plan(Way::K8s) }, &pod).is_err());
        let all = |name: &str| Some(name.into());
        assert!(check(&Plan { allow_nested: true, ..plan(Way::K8s) }, &all).is_err());
        assert!(check(&Plan { allow_nested: true, allow_cloud_env: true, ..plan(Way::K8s) }, &all).is_ok());
    }

    #[test]
    fn the_plan_s_own_variables_are_the_stronger() {
        let delivery = Delivery::described(Way::K8s, Path::new("/run/x"));
        let last = variables(&plan(Way::K8s), &delivery).into_iter().rfind(|(name, _)| name == TOKEN_FILE);
        assert_eq!(last.unwrap().1, "mine");
    }
}
