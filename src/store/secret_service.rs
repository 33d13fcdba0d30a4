//! Looks at the Secret Service without touching it: is it there, is it locked. None of these questions can raise a
//! prompt, start a bus or open a session (bursts of which kill gnome-keyring-daemon: GNOME/gnome-keyring#190, #196).

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use zbus::blocking::{Connection, connection::Builder};
use zbus::zvariant::{DynamicType, OwnedObjectPath, OwnedValue};

use super::trouble::Trouble;

const SERVICE: &str = "org.freedesktop.secrets";

/// What was seen.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) locked: bool,
    /// The program that provides the service, for people.
    pub(super) provider: String,
}

/// Looks at the default collection, and at the item of `user` if there is one (it may be in another collection). Takes
/// milliseconds from a healthy service and for ever from a sick one: to be called on a thread with a deadline.
pub(super) fn look(service: &str, user: &str) -> Result<Look, Trouble> {
    let address = bus_address(std::env::var("DBUS_SESSION_BUS_ADDRESS").ok().as_deref(), &default_socket())?;
    let bus = Builder::address(address.as_str()).and_then(Builder::build).map_err(|error| match &error {
        // A socket that is not there, or that nobody listens on any more, is a bus of the past.
        zbus::Error::Connection(cause, _) | zbus::Error::InputOutput(cause)
            if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            absent(format!("the session bus is not there: {}", crate::ui::foreign(&error.to_string())))
        }
        _ => trouble(error),
    })?;

    let owned: bool = ask(&bus, Place::Bus, "NameHasOwner", &(SERVICE,))?;
    if !owned {
        let names: Vec<String> = ask(&bus, Place::Bus, "ListActivatableNames", &())?;
        if !names.iter().any(|name| name == SERVICE) {
            return Err(absent("no Secret Service (gnome-keyring, KWallet, KeePassXC) runs in this login"));
        }
    }
    let default: OwnedObjectPath = ask(&bus, Place::Service, "ReadAlias", &("default",))?;
    let provider = provider(&bus);
    if default.as_str() == "/" {
        return Err(Trouble::NoDefaultCollection { provider });
    }
    let property = ("org.freedesktop.Secret.Collection", "Locked");
    let collection_locked: OwnedValue = ask(&bus, Place::Collection(default.as_str()), "Get", &property)?;
    let collection_locked = bool::try_from(collection_locked).map_err(Trouble::refused)?;
    let attributes = HashMap::from([("service", service), ("username", user)]);
    // A locked item is in the second list only; the library's own search would go on and unlock it.
    let (_, locked_items): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
        ask(&bus, Place::Service, "SearchItems", &(attributes,))?;
    Ok(Look { locked: collection_locked || !locked_items.is_empty(), provider })
}

/// Whom a question is put to.
#[derive(Clone, Copy)]
enum Place<'a> {
    Bus,
    Service,
    Collection(&'a str),
}

fn ask<A, T>(bus: &Connection, place: Place<'_>, method: &str, arguments: &A) -> Result<T, Trouble>
where
    A: serde::Serialize + DynamicType,
    T: for<'d> zbus::zvariant::DynamicDeserialize<'d>,
{
    let (name, path, interface) = match place {
        Place::Bus => ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"),
        Place::Service => (SERVICE, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service"),
        Place::Collection(path) => (SERVICE, path, "org.freedesktop.DBus.Properties"),
    };
    let reply = bus.call_method(Some(name), path, Some(interface), method, arguments).map_err(trouble)?;
    reply.body().deserialize().map_err(trouble)
}

/// The bus that the keyring library will use, if there is one. Mirrors zbus, but accepts nothing that would start a
/// program (`autolaunch:`, `unixexec:`) or leave the machine (`tcp:`).
fn bus_address(variable: Option<&str>, default_socket: &str) -> Result<String, Trouble> {
    let Some(address) = variable.filter(|address| !address.is_empty()) else {
        return match Path::new(default_socket).try_exists() {
            Ok(true) => Ok(format!("unix:path={default_socket}")),
            _ => Err(absent(format!(
                "there is no session bus (no `DBUS_SESSION_BUS_ADDRESS`, no `{}`)",
                crate::ui::foreign(default_socket)
            ))),
        };
    };
    if !address.starts_with("unix:") || address.contains(';') {
        return Err(absent(format!(
            "`DBUS_SESSION_BUS_ADDRESS` is not the address of one local socket: `{}`",
            crate::ui::foreign(address)
        )));
    }
    Ok(address.to_owned())
}

fn default_socket() -> String {
    let folder = std::env::var("XDG_RUNTIME_DIR")
        .unwrap_or_else(|_| format!("/run/user/{}", rustix::process::geteuid().as_raw()));
    format!("{folder}/bus")
}

fn provider(bus: &Connection) -> String {
    let pid: Result<u32, Trouble> = ask(bus, Place::Bus, "GetConnectionUnixProcessID", &(SERVICE,));
    let name = pid.ok().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok()).unwrap_or_default();
    // The kernel cuts the name after 15 bytes.
    match name.trim() {
        name if name.starts_with("gnome-keyring") => "gnome-keyring".into(),
        name if name.starts_with("kwalletd") || name.starts_with("ksecretd") => "KWallet".into(),
        name if name.starts_with("keepassxc") => "KeePassXC".into(),
        "" => "the Secret Service".into(),
        name => crate::ui::foreign(name),
    }
}

fn absent(why: impl Into<String>) -> Trouble {
    Trouble::Absent { why: why.into() }
}

fn trouble(error: zbus::Error) -> Trouble {
    match &error {
        zbus::Error::MethodError(name, text, _) => {
            let said = text.as_deref().unwrap_or(name.as_str());
            match name.as_str() {
                "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner" => {
                    absent("the Secret Service has just gone away")
                }
                name if name.starts_with("org.freedesktop.DBus.Error.Spawn") => {
                    Trouble::refused(format!("the Secret Service could not be started: {said}"))
                }
                _ => Trouble::refused(said),
            }
        }
        _ => Trouble::refused(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_local_socket_is_a_bus() {
        for (variable, default, expected) in [
            (None, "/dev/null", Ok("unix:path=/dev/null")),
            (Some(""), "/dev/null", Ok("unix:path=/dev/null")),
            (Some("unix:abstract=/tmp/dbus-1,guid=0"), "/nowhere/bus", Ok("unix:abstract=/tmp/dbus-1,guid=0")),
            (None, "/nowhere/bus", Err("no session bus")),
            (Some("autolaunch:"), "/dev/null", Err("autolaunch:")),
            (Some("tcp:host=192.0.2.1,port=1"), "/dev/null", Err("tcp:host")),
            (Some("unixexec:path=/bin/sh"), "/dev/null", Err("unixexec:")),
            (Some("unix:path=/a;tcp:host=192.0.2.1"), "/dev/null", Err("unix:path=/a;tcp")),
            (Some("\u{1b}[2J"), "/dev/null", Err("\\u{1b}[2J")),
        ] {
            match (bus_address(variable, default), expected) {
                (Ok(address), Ok(expected)) => assert_eq!(address, expected),
                (Err(Trouble::Absent { why }), Err(part)) => assert!(why.contains(part), "{why}"),
                (got, expected) => panic!("{variable:?}: {got:?}, not {expected:?}"),
            }
        }
    }
}
