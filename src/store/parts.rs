//! Values larger than an item: cut into parts, so that a crash at any point leaves the old value or the new one.
//!
//! There are two sets of parts, `a` and `b`. A write fills the set that the head does not point at, then writes the
//! head, then clears the other set; only the head's single write changes what a reader sees. Two fixed names rather
//! than one a generation: whatever a crash left behind can always be found again, and a second write of the same
//! generation never touches live parts.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::items::{Item, Items};
use super::trouble::Trouble;
use super::versioned;

/// Far above any token; only keeps a damaged head from sending us on a walk.
const MAX_PARTS: usize = 1000;

/// The head of a value that is in parts; a value in one piece is its own head, and has no `parts`.
#[derive(Serialize, Deserialize)]
struct Head {
    parts: Option<Parts>,
}

#[derive(Serialize, Deserialize)]
struct Parts {
    set: char,
    count: usize,
    /// Of the whole value, in hex: parts of two writes must never pass for one.
    sha256: String,
}

/// What to do with a stored value that cannot be read, when it is about to be replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A session: nobody's login is overwritten in silence.
    Keep,
    /// A cache.
    Replace,
}

/// Reads a value and puts its parts together.
pub(super) fn read(items: &Items, head: Item<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
    let Some(bytes) = items.get(&head)? else { return Ok(None) };
    let Some(parts) = parts_of(items, head, &bytes)? else { return Ok(Some(bytes)) };

    let damaged = |why: String| Trouble::Damaged { item: items.shown(&head), why };
    let mut pieces = Vec::with_capacity(parts.count);
    for number in 0..parts.count {
        let part = Item { part: Some((parts.set, number)), ..head };
        let missing = || damaged(format!("part {} of {} is missing", number + 1, parts.count));
        pieces.push(items.get(&part)?.ok_or_else(missing)?);
    }
    let mut whole = Zeroizing::new(Vec::with_capacity(pieces.iter().map(|piece| piece.len()).sum()));
    for piece in pieces {
        whole.extend_from_slice(&piece);
    }
    if sha256(&whole) != parts.sha256 {
        return Err(damaged("its parts do not belong together".into()));
    }
    Ok(Some(whole))
}

/// Writes a value, in parts if it is larger than the store's limit.
pub(super) fn write(items: &Items, head: Item<'_>, value: &[u8], unreadable: Unreadable) -> Result<(), Trouble> {
    let present = match items.get(&head)? {
        Some(bytes) => parts_of(items, head, &bytes).or_else(|trouble| match (unreadable, trouble) {
            (Unreadable::Replace, trouble) if trouble.is_unreadable() => Ok(None),
            (_, trouble) => Err(trouble),
        })?,
        None => None,
    };
    let Some(limit) = items.limit() else { return items.set(&head, value) };
    if value.len() <= limit {
        items.set(&head, value)?;
        clear(items, head, 'a', 0)?;
        return clear(items, head, 'b', 0);
    }

    let (set, other) = if present.is_some_and(|parts| parts.set == 'a') { ('b', 'a') } else { ('a', 'b') };
    let pieces = value.chunks(limit.max(1));
    let count = pieces.len();
    if count > MAX_PARTS {
        return Err(Trouble::TooLarge { limit });
    }
    for (number, piece) in pieces.enumerate() {
        items.set(&Item { part: Some((set, number)), ..head }, piece)?;
    }
    let parts = Parts { set, count, sha256: sha256(value) };
    items.set(&head, &versioned::write(&Head { parts: Some(parts) }, 0)?)?;
    clear(items, head, other, 0)?;
    clear(items, head, set, count)
}

/// Removes a value, head first: a reader sees all of it or nothing. Also removes what an earlier crash left.
pub(super) fn remove(items: &Items, head: Item<'_>) -> Result<(), Trouble> {
    items.remove(&head)?;
    if items.limit().is_some() {
        clear(items, head, 'a', 0)?;
        clear(items, head, 'b', 0)?;
    }
    Ok(())
}

/// Removes the parts of a set from number `from` on, the last one first: parts are written in rising order, so what
/// is left by a crash, here or there, is always an unbroken row that the next call finds.
fn clear(items: &Items, head: Item<'_>, set: char, from: usize) -> Result<(), Trouble> {
    let part = |number| Item { part: Some((set, number)), ..head };
    let mut end = from;
    while end < MAX_PARTS && items.get(&part(end))?.is_some() {
        end += 1;
    }
    (from..end).rev().try_for_each(|number| items.remove(&part(number)))
}

fn parts_of(items: &Items, head: Item<'_>, bytes: &[u8]) -> Result<Option<Parts>, Trouble> {
    let name = items.shown(&head);
    let parts = versioned::read::<Head>(&name, bytes)?.parts;
    match &parts {
        Some(Parts { set: 'a' | 'b', count: 1..=MAX_PARTS, .. }) | None => Ok(parts),
        Some(_) => Err(Trouble::Damaged { item: name, why: "its list of parts makes no sense".into() }),
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::items::Slot;
    use super::super::items::tests::Memory;
    use super::super::key::{SessionId, tests::key};
    use super::*;

    const LIMIT: usize = 200;

    fn value(tag: u32, padding: usize) -> Vec<u8> {
        format!(r#"{{"v":1,"tag":{tag},"padding":"{}"}}"#, "x".repeat(padding)).into_bytes()
    }

    fn memory() -> (Memory, Items, SessionId) {
        let memory = Memory { limit: Some(LIMIT), ..Memory::default() };
        (memory.clone(), Items::Memory(memory), key().id())
    }

    proptest! {
        // The write is cut after every one of its changes, with crashed writes on top of crashed writes; the reader
        // must find the last whole value or the one being written, and a write that ends must leave nothing behind.
        #[test]
        fn a_crash_leaves_the_old_value_or_the_new_one(
            writes in proptest::collection::vec((0_usize..1200, 0_usize..12), 1..12)
        ) {
            let (memory, items, id) = memory();
            let head = Item::head(&id, Slot::Session);
            let mut current: Option<Vec<u8>> = None;
            for (tag, (padding, changes)) in writes.into_iter().enumerate() {
                let next = value(u32::try_from(tag).unwrap(), padding);
                *memory.changes_left.lock().unwrap() = Some(changes);
                let ended = write(&items, head, &next, Unreadable::Keep).is_ok();
                *memory.changes_left.lock().unwrap() = None;

                let found = read(&items, head).unwrap().map(|bytes| bytes.to_vec());
                prop_assert!(found == current || found.as_ref() == Some(&next), "neither old nor new");
                if ended {
                    prop_assert_eq!(found.as_ref(), Some(&next));
                    let parts = if next.len() <= LIMIT { 0 } else { next.len().div_ceil(LIMIT) };
                    prop_assert_eq!(memory.names().len(), 1 + parts);
                }
                current = found;
            }
            remove(&items, head).unwrap();
            prop_assert_eq!(memory.names(), Vec::<String>::new());
        }
    }

    #[test]
    fn a_removal_that_is_cut_short_is_finished_by_the_next() {
        for changes in 0..8 {
            let (memory, items, id) = memory();
            let head = Item::head(&id, Slot::Session);
            write(&items, head, &value(1, 900), Unreadable::Keep).unwrap();
            *memory.changes_left.lock().unwrap() = Some(changes);
            let _ = remove(&items, head);
            *memory.changes_left.lock().unwrap() = None;
            assert_eq!(read(&items, head).unwrap().is_some(), changes == 0);
            remove(&items, head).unwrap();
            assert_eq!(memory.names(), Vec::<String>::new());
        }
    }

    #[test]
    fn parts_that_are_gone_or_mixed_are_damage_and_are_kept() {
        let break_it: [fn(&Memory, &str); 3] = [
            |m, id| drop(m.items.lock().unwrap().remove(&format!("{id}:session-a1"))),
            |m, id| drop(m.items.lock().unwrap().insert(format!("{id}:session-a1"), b"other".to_vec())),
            |m, id| {
                let head = br#"{"v":1,"parts":{"set":"a","count":0,"sha256":""}}"#;
                drop(m.items.lock().unwrap().insert(id.to_owned(), head.to_vec()));
            },
        ];
        for damage in break_it {
            let (memory, items, id) = memory();
            let head = Item::head(&id, Slot::Session);
            write(&items, head, &value(1, 900), Unreadable::Keep).unwrap();
            damage(&memory, id.as_str());
            let before = memory.names();
            assert!(matches!(read(&items, head), Err(Trouble::Damaged { .. })));
            assert_eq!(memory.names(), before);
        }
    }

    #[test]
    fn an_unreadable_session_is_not_overwritten_but_an_unreadable_cache_is() {
        for (stored, newer) in [(&b"garbage"[..], false), (br#"{"v":2}"#, true)] {
            let (memory, items, id) = memory();
            let head = Item::head(&id, Slot::Session);
            memory.set(id.as_str(), stored).unwrap();
            let trouble = write(&items, head, &value(1, 0), Unreadable::Keep).unwrap_err();
            assert_eq!(matches!(trouble, Trouble::Newer { .. }), newer);
            assert_eq!(memory.get(id.as_str()).unwrap().unwrap().to_vec(), stored);
            write(&items, head, &value(1, 0), Unreadable::Replace).unwrap();
            assert_eq!(read(&items, head).unwrap().unwrap().to_vec(), value(1, 0));
        }
    }
}
