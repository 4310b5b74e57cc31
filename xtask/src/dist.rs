//! `cargo xtask dist`: the archive of a release.

use crate::Result;
use crate::run::output;
use crate::server::{Profile, build};
use crate::workspace::{Workspace, root};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

const SHELLS: [(&str, &str); 3] = [("bash", "ifmatch.bash"), ("zsh", "_ifmatch"), ("fish", "ifmatch.fish")];
const DOCUMENTS: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Builds, and packs the binary with what belongs to it. The same sources give the same archive.
pub(crate) fn task() -> Result {
    let binary = build(Profile::Release)?;
    let workspace = Workspace::read()?;
    let version = workspace.package("ifmatch-cli").map_or("0", |package| &package.version);
    let name = format!("ifmatch-{version}-{}", host()?);
    let folder = workspace.target.join("dist");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;

    let archive = pack(&name, &contents(&binary)?).map_err(|error| format!("cannot pack: {error}"))?;
    let sum = Sha256::digest(&archive).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let file = format!("{name}.tar.gz");
    for (path, content) in [
        (folder.join(&file), archive),
        (folder.join(format!("{file}.sha256")), format!("{sum}  {file}\n").into_bytes()),
    ] {
        fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// A file of the archive: path, mode, content.
type Entry = (String, u32, Vec<u8>);

fn contents(binary: &Path) -> Result<Vec<Entry>> {
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let print = |arguments: &[&str]| output(Command::new(binary).args(arguments)).map(String::into_bytes);
    let mut entries = vec![
        ("bin/ifmatch".to_owned(), 0o755, read(binary)?),
        ("man/ifmatch.1".to_owned(), 0o644, print(&["man"])?),
    ];
    for (shell, file) in SHELLS {
        entries.push((format!("completions/{file}"), 0o644, print(&["completions", shell])?));
    }
    for document in DOCUMENTS {
        entries.push((document.to_owned(), 0o644, read(&root().join(document))?));
    }
    Ok(entries)
}

fn pack(name: &str, entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (path, mode, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        // No time, no owner: nothing of the machine it was made on.
        header.set_mtime(0);
        archive.append_data(&mut header, format!("{name}/{path}"), &content[..])?;
    }
    archive.into_inner()?.finish()
}

/// The target triple of the toolchain.
fn host() -> Result<String> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say for which host it is".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_repeatable() {
        let entries = [("bin/x".to_owned(), 0o755, b"content".to_vec())];
        let archive = pack("x-1", &entries).unwrap();
        assert_eq!(archive, pack("x-1", &entries).unwrap());
        let mut read = tar::Archive::new(flate2::read::GzDecoder::new(&archive[..]));
        let paths: Vec<_> =
            read.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(paths, ["x-1/bin/x"]);
    }
}
