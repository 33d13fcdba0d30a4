//! The platforms that vouch for programs, on loopback.

mod peers;
