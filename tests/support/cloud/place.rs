//! A program, the platform that it runs on, and the provider that signs what the platform hands out.

use std::path::PathBuf;

use serde_json::json;

use super::azure::{Arc, Directory, Imds, RESOURCE};
use super::google::Metadata;
use super::{Cloud, Minter};
use crate::support::cmd::Sandbox;
use crate::support::idp::Idp;
use crate::support::mongod::{IdentityProvider, Mongod};

/// What the MongoDB server wants tokens to be for.
pub const AUDIENCE: &str = "mongodb://orders";

/// A provider, a platform whose issuer it is, and a program that runs there.
pub struct Place<P> {
    pub idp: Idp,
    pub cloud: Cloud<P>,
    pub sandbox: Sandbox,
}

/// A sandbox for a program of this kind, whose platform's issuer is the test provider.
pub fn program(idp: &Idp, kind: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.hide(idp.issuer(), "[ISSUER]");
    sandbox.env("MDB_LOGIN_KIND", kind).env("MDB_LOGIN_ISSUER", idp.issuer()).env("MDB_LOGIN_HTTP_TIMEOUT", "20s");
    sandbox
}

impl<P> Place<P> {
    /// A MongoDB server that takes the platform's tokens, and knows this one subject.
    pub fn server(&self, subject: &str) -> Mongod {
        Mongod::start_with(&self.idp, |behaviour| {
            let provider = IdentityProvider::workload(self.idp.issuer(), AUDIENCE);
            behaviour.identity_providers = vec![IdentityProvider { use_authorization_claim: false, ..provider }];
            behaviour.users.insert(format!("machine/{subject}"), vec!["test/dba".to_owned()]);
        })
    }
}

impl Place<Imds> {
    /// A virtual machine of Azure's.
    pub fn virtual_machine() -> Self {
        let idp = Idp::start();
        let cloud = Cloud::start(Imds::new(Minter::of(&idp)));
        cloud.change(|imds| for_mongodb(&mut imds.directory));
        let mut sandbox = at_azure(&idp);
        sandbox.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", cloud.url("/"));
        Self { idp, cloud, sandbox }
    }
}

impl Place<Arc> {
    /// A server with Azure Arc, whose agent writes its challenges into `folder`.
    pub fn with_agent(folder: PathBuf) -> Self {
        let idp = Idp::start();
        let cloud = Cloud::start(Arc::new(Minter::of(&idp), folder));
        cloud.change(|arc| for_mongodb(&mut arc.directory));
        let mut sandbox = at_azure(&idp);
        sandbox
            .env("IDENTITY_ENDPOINT", cloud.url("/metadata/identity/oauth2/token"))
            .env("IMDS_ENDPOINT", cloud.url(""));
        Self { idp, cloud, sandbox }
    }
}

impl Place<Metadata> {
    /// A machine, a container or a function at Google.
    pub fn machine() -> Self {
        let idp = Idp::start();
        let cloud = Cloud::start(Metadata::new(Minter::of(&idp)));
        let mut sandbox = at_google(&idp);
        sandbox.env("GCE_METADATA_HOST", cloud.address().to_string());
        Self { idp, cloud, sandbox }
    }
}

/// A sandbox for a program that wants a token of Google's.
pub fn at_google(idp: &Idp) -> Sandbox {
    let mut sandbox = program(idp, "gcp");
    sandbox.env("MDB_LOGIN_AUDIENCE", AUDIENCE);
    sandbox
}

/// A sandbox for a program at Azure's.
pub fn at_azure(idp: &Idp) -> Sandbox {
    let mut sandbox = program(idp, "azure-managed-identity");
    sandbox.env("MDB_LOGIN_RESOURCE", RESOURCE);
    sandbox
}

/// What tokens are for is a setting of the app registration, and not what they are asked for.
pub fn for_mongodb(directory: &mut Directory) {
    directory.resources = vec![(RESOURCE.to_owned(), json!(AUDIENCE))];
}
