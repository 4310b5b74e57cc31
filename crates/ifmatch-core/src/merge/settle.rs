//! Putting a value where a conflict was.

use serde_json::Value;

/// Puts a value at a JSON pointer, or takes away what is there. Everything above it is an object: conflicts are at members
/// of objects that all three sides have.
pub(super) fn put(text: &mut Value, path: &str, value: Option<Value>) {
    let Some((parent, name)) = path.rsplit_once('/') else {
        if let Some(value) = value {
            *text = value;
        }
        return;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    let Some(Value::Object(members)) = text.pointer_mut(parent) else { return };
    match value {
        Some(value) => drop(members.insert(name, value)),
        None => drop(members.shift_remove(&name)),
    }
}
