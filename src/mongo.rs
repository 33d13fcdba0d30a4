//! Everything that touches a MongoDB server: its connection string, which servers may have a token, what a server says
//! about its identity provider, and a real connection with a token.
//!
//! The official driver speaks to servers ([`client`] and below); what it is told, and what its answers may be, is ours.

pub mod arguments;
pub mod client;
pub mod hosts;
pub mod uri;
