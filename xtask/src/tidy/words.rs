//! Words that are not to be found anywhere. This file is left out, because it lists them.

use super::sources::{File, contains_word};

/// Where the words stand that are looked for.
const HERE: &str = "xtask/src/tidy/words.rs";

/// Left behind, or left undone. In source files.
const UNFINISHED: [(&str, &str); 7] = [
    ("todo!", "finish it"),
    ("unimplemented!", "finish it"),
    ("dbg!", "take it out"),
    ("FIXME", "fix it, or write an issue"),
    ("XXX", "fix it, or write an issue"),
    ("#[ignore", "a test is run or not there"),
    ("pub fn get_", "a getter is named for what it gives"),
];

/// Words for which the house has another one; CONTRIBUTING.md has the table. In sources and documents.
const NOT_OURS: [(&str, &str); 7] = [
    ("upsert", "compare-and-set, or `Expected`"),
    ("clobber", "lost update"),
    ("backend", "upstream, or the holder of the state"),
    ("payload", "content"),
    ("version token", "validator, or entity-tag"),
    ("condition lock", "precondition"),
    ("optimistic lock", "compare-and-set"),
];

/// Names of places that exist on one machine only.
const PLACES: [&str; 2] = ["/home/", "/Users/"];

/// The one registry that dependencies come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Every line with a word that does not belong there.
pub(super) fn check(files: &[File]) -> Vec<String> {
    files.iter().filter(|file| file.path != HERE).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    let is_source = [".rs", ".py", ".mjs", ".html"].iter().any(|end| file.path.ends_with(end));
    let is_ours = is_source || file.path.ends_with(".md");
    for (index, line) in file.text.lines().enumerate() {
        let mut find = |what: String| findings.push(format!("{}:{}: {what}", file.path, index + 1));
        for (word, instead) in UNFINISHED {
            if is_source && contains_word(line, word) {
                find(format!("has {word}: {instead}"));
            }
        }
        if is_ours {
            let lower = line.to_lowercase();
            for (word, instead) in NOT_OURS {
                if contains_word(&lower, word) {
                    find(format!("says \"{word}\"; the house says {instead}"));
                }
            }
        }
        if let Some(place) = PLACES.iter().find(|place| line.contains(*place)) {
            find(format!("names {place}, which is a place on one machine"));
        }
        if file.path == "Cargo.lock" && line.starts_with("source = ") && !line.contains(REGISTRY) {
            find(format!("{line} is not crates.io"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check_file(&File { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn words_are_found_where_they_count() {
        assert_eq!(findings("a.rs", "let x = todo!();"), 1);
        assert_eq!(findings("a.rs", "todo: &'static str, PAYLOAD_TOO_LARGE"), 0);
        assert_eq!(findings("a.rs", "#[ignore = \"slow\"]"), 1);
        assert_eq!(findings("a.md", "The Payload is sent to the backend."), 2);
        assert_eq!(findings("a.toml", "payload = 1 # cd /home/me/x"), 1);
        assert_eq!(findings("Cargo.lock", "source = \"registry+https://example.org/index\""), 1);
        assert_eq!(findings("Cargo.lock", &format!("source = \"{REGISTRY}\"")), 0);
    }
}
