//! How a person signs in. Knows the outside (sockets, browser, terminal) and nothing of the store.

pub mod browser;
pub mod code;
pub mod device;
pub mod end_session;
pub mod redirect;
pub mod surroundings;

use crate::http::Http;
use crate::oidc::metadata::ProviderMetadata;
use crate::oidc::token::ClientIdentity;
use crate::settings::Settings;
use crate::ui::Ui;

/// What both flows need.
pub struct Context<'a> {
    pub ui: &'a Ui,
    pub settings: &'a Settings,
    pub http: &'a Http,
    pub provider: &'a ProviderMetadata,
    pub identity: &'a ClientIdentity,
    /// Already cut down to what the provider supports.
    pub scopes: &'a [String],
    /// The command that starts this sign-in again, for hints.
    pub login_command: String,
}

impl Context<'_> {
    /// Whether the provider has a device flow (RFC 8628 §4). Where it has none, nobody may be sent there.
    pub fn offers_device(&self) -> bool {
        self.provider.device_authorization_endpoint.is_some()
    }

    /// The command that signs in with a code, for hints.
    fn device_command(&self) -> Option<String> {
        self.offers_device().then(|| format!("{} --device", self.login_command))
    }
}
