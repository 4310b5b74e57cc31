//! Starting an editor and waiting for it.

use std::path::Path;
use std::process::Command;

/// The editor that is named, or the one that everybody uses, with its arguments.
pub(super) fn named(flag: Option<&str>) -> String {
    let variable = |name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let named = flag.map(str::to_owned).or_else(|| variable("VISUAL")).or_else(|| variable("EDITOR"));
    named.unwrap_or_else(|| "vi".to_owned())
}

/// Opens a file and waits until the editor is done with it. The shell splits the command, as everybody else lets it.
pub(super) fn open(editor: &str, file: &Path) -> Result<(), String> {
    let status = Command::new("sh").arg("-c").arg(format!("{editor} \"$@\"")).arg(editor).arg(file).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) if status.code() == Some(127) => {
            Err(format!("there is no editor {editor:?}: name one with --editor, or in VISUAL or EDITOR"))
        }
        Ok(status) => Err(format!("the editor {editor:?} ended with {status}")),
        Err(error) => Err(format!("the editor {editor:?} could not be started: {error}")),
    }
}
