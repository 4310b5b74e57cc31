//! Walls and sizes, read off the sources.

use crate::Result;
use std::fs;
use std::path::Path;

/// Longest source file, in lines.
const LINES_MAX: usize = 600;

/// Folders that are not ours, or not sources.
const SKIPPED: [&str; 6] = ["target", ".git", "ifmatch-data", "ifmatch-state", "node_modules", "book"];

/// Files in which `unsafe` is let in; docs/adr/0005-unsafe-code.md says why.
const UNSAFE: [&str; 1] = ["crates/ifmatch-core/tests/it/allocations.rs"];

/// A text file of the repository.
pub(super) struct File {
    /// From the root, with slashes.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// What is compiled into a crate's library or binary: the lines before its tests, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("#[cfg(test)]\nmod tests").unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate();
        lines.map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Reads every text file below `root`.
pub(super) fn read(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    walk(root, "", &mut files).map_err(|error| format!("the sources cannot be read: {error}"))?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn walk(folder: &Path, above: &str, files: &mut Vec<File>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if above.is_empty() { name.clone() } else { format!("{above}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            walk(&entry.path(), &path, files)?;
        } else if kind.is_file()
            && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
        {
            files.push(File { path, text });
        }
    }
    Ok(())
}

/// A wall: in files below one of `within`, code has none of `banned`.
struct Wall {
    within: &'static [&'static str],
    except: &'static [&'static str],
    banned: &'static [&'static str],
    why: &'static str,
}

const WALLS: [Wall; 3] = [
    Wall {
        within: &["crates/ifmatch-core/src/"],
        except: &[],
        banned: &[
            "SystemTime",
            "Instant",
            "std::fs",
            "std::io",
            "std::net",
            "std::env",
            "std::thread",
            "std::process",
            "tokio",
            "async fn",
            "async move",
            ".await",
        ],
        why: "core has no clock, no I/O and no async",
    },
    Wall {
        within: &["crates/ifmatch-store/src/"],
        except: &[],
        banned: &[
            "http::",
            "StatusCode",
            "HeaderMap",
            "HeaderName",
            "HeaderValue",
            "ETag",
            "If-Match",
            "EntityTag",
            "Judge",
        ],
        why: "the store knows no HTTP",
    },
    Wall {
        within: &["crates/"],
        except: &["crates/ifmatch-core/", "crates/ifmatch-guard/", "crates/ifmatch-testkit/"],
        banned: &["application/problem+json", "PROBLEM_JSON", "problem_body"],
        why: "problem responses are written in ifmatch-guard and nowhere else",
    },
];

/// Walls that are broken, and files that are too long.
pub(super) fn check(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            findings
                .push(format!("{}: has {lines} lines, at most {LINES_MAX} are wanted; split it", file.path));
        }
        let lets_unsafe_in =
            ["allow(unsafe_code", "expect(unsafe_code"].iter().any(|s| file.text.contains(s));
        if lets_unsafe_in
            && !UNSAFE.contains(&file.path.as_str())
            && !file.path.starts_with("xtask/src/tidy/")
        {
            findings.push(format!("{}: lets unsafe code in; see docs/adr/0005-unsafe-code.md", file.path));
        }
        for wall in WALLS.iter().filter(|wall| wall.stands_in(&file.path)) {
            let broken = file.code().filter_map(|(number, line)| Some((number, wall.broken_by(line)?)));
            findings.extend(
                broken.map(|(number, word)| format!("{}:{number}: has {word}: {}", file.path, wall.why)),
            );
        }
    }
    findings
}

impl Wall {
    fn stands_in(&self, path: &str) -> bool {
        let below = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        // Tests and benches may look at anything.
        below(self.within) && path.contains("/src/") && !below(self.except)
    }

    fn broken_by(&self, line: &str) -> Option<&'static str> {
        self.banned.iter().copied().find(|word| contains_word(line, word))
    }
}

/// Whether `word` stands in `line` and is not the end or the beginning of a longer one.
pub(super) fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let open_left = word.starts_with(is_part);
    let open_right = word.ends_with(is_part);
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(is_part);
        let after = line[at + word.len()..].chars().next().is_some_and(is_part);
        !(open_left && before || open_right && after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&[File { path: path.to_owned(), text: text.to_owned() }]).len()
    }

    #[test]
    fn walls_stand_in_code_and_not_in_comments_or_tests() {
        let core = "crates/ifmatch-core/src/x.rs";
        assert_eq!(findings(core, "use std::time::Instant;"), 1);
        assert_eq!(findings(core, "/// No Instant here.\nlet instantly = 1; // fine"), 0);
        assert_eq!(findings(core, "fn x() {}\n#[cfg(test)]\nmod tests { use std::fs; }"), 0);
        assert_eq!(findings("crates/ifmatch-core/tests/x.rs", "use std::fs;"), 0);
        let store = "crates/ifmatch-store/src/x.rs";
        assert_eq!(findings(store, "use http::Method;"), 1);
        assert_eq!(findings(store, "use ifmatch_core::HttpDate; let a = myhttp::X;"), 0);
        let problem = "const X: &str = \"application/problem+json\";";
        assert_eq!(findings("crates/ifmatch-server/src/x.rs", problem), 1);
        assert_eq!(findings("crates/ifmatch-guard/src/x.rs", problem), 0);
        assert_eq!(findings("crates/ifmatch-server/tests/x.rs", problem), 0);
    }

    #[test]
    fn files_are_short_and_safe() {
        let path = "crates/ifmatch-server/src/x.rs";
        assert_eq!(findings(path, &"\n".repeat(LINES_MAX)), 0);
        assert_eq!(findings(path, &"\n".repeat(LINES_MAX + 1)), 1);
        assert_eq!(findings(path, "#![allow(unsafe_code)]"), 1);
        assert_eq!(findings(UNSAFE[0], "#[expect(unsafe_code, reason = \"x\")]"), 0);
    }
}
