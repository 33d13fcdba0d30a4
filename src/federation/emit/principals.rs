//! Who may do what: a role for each group, or a user for each person, as mongosh creates them.

use super::{Configuration, line, quoted};
use crate::federation::{Authorization, IdentityProvider};

/// Whom to create, and what they may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principals {
    /// As the token names them: groups, or users where those are authorized one by one.
    pub names: Vec<String>,
    /// What each of them is granted.
    pub grants: Vec<Grant>,
}

/// A role that is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub role: String,
    pub database: String,
}

impl Principals {
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.grants.is_empty()
    }
}

pub(super) fn mongosh(provider: &IdentityProvider, principals: &Principals) -> Configuration {
    let grants: Vec<String> = principals
        .grants
        .iter()
        .map(|grant| format!("{{ role: {}, db: {} }}", quoted(&grant.role), quoted(&grant.database)))
        .collect();
    let roles = if grants.is_empty() { "roles: []".to_owned() } else { format!("roles: [{}]", grants.join(", ")) };
    let mut text = String::new();
    for name in &principals.names {
        match &provider.authorization {
            Authorization::GroupMembership(_) => {
                line(&mut text, 0, "db.getSiblingDB(\"admin\").createRole({");
                line(&mut text, 2, &format!("role: {},", quoted(&provider.role(name))));
                line(&mut text, 2, "privileges: [],");
            }
            Authorization::UserId => {
                line(&mut text, 0, "db.getSiblingDB(\"$external\").createUser({");
                line(&mut text, 2, &format!("user: {},", quoted(&provider.user(name))));
            }
        }
        line(&mut text, 2, &roles);
        line(&mut text, 0, "});");
    }
    let notes: &[&str] = if grants.is_empty() {
        &["nothing is granted yet: add `--grant ROLE@DATABASE`, such as `--grant readWrite@app`"]
    } else {
        &[]
    };
    Configuration::new(text, notes)
}
