//! `explain`, on what was recorded. `UPDATE_GOLDEN=1` writes down what is told now; read the difference before it is
//! committed.

mod audit;
mod disputed;
mod har;
mod masking;
mod near_misses;
mod texts;
mod unreadable;

use ifmatch_diagnose::explain::{ARTICLES, Evidence, Explanation, Options};
use ifmatch_diagnose::report::{Report, json, schema};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/explain").join(name)
}

fn explain(input: &[u8]) -> Explanation {
    Evidence::read(input, None).unwrap().explain(&Options::default()).unwrap()
}

/// The codes that are told, case by case, each with its confidence.
fn told(input: &str) -> Vec<String> {
    let told = explain(input.as_bytes());
    let cause =
        |cause: &ifmatch_diagnose::explain::Cause| format!("{} {}", cause.code, cause.confidence.name());
    let cases = told.cases.iter();
    cases.map(|case| case.causes.iter().map(cause).collect::<Vec<_>>().join(", ")).collect()
}

/// Without styles.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn recordings() -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder("recordings")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn recordings_are_explained_as_before() {
    let mut wrong = Vec::new();
    for file in recordings() {
        let told = explain(&fs::read(&file).unwrap());
        let name = file.file_stem().unwrap().to_str().unwrap();
        let forms = [
            ("txt", plain(&told.text(80))),
            ("json", format!("{:#}\n", json(&told))),
            ("md", told.markdown()),
            ("xml", told.junit().to_string()),
        ];
        for (ending, text) in forms {
            let golden = folder("golden").join(format!("{name}.{ending}"));
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::write(&golden, &text).unwrap();
            }
            if fs::read_to_string(&golden).ok().as_deref() != Some(&text) {
                wrong.push(format!("{}:\n{text}", golden.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "not as before; UPDATE_GOLDEN=1 takes them over:\n{}", wrong.join("\n"));
}

#[test]
fn each_recording_shows_the_cause_it_is_named_for() {
    let mut shown = BTreeSet::new();
    for file in recordings() {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let told = explain(&fs::read(&file).unwrap());
        let causes = || told.cases.iter().filter(|case| case.is_explained).flat_map(|case| &case.causes);
        let Some(code) = name.get(..3).filter(|code| code.starts_with('x')) else { continue };
        let code = code.to_ascii_uppercase();
        assert!(causes().any(|cause| cause.code == code), "{name}: {:?}", told.cases);
        shown.insert(code);
    }
    let all: BTreeSet<_> = ARTICLES.iter().map(|article| article.code.to_owned()).collect();
    assert_eq!(shown, all, "each cause has a recording");
}

#[test]
fn what_is_told_fits_80_columns_and_its_schema() {
    let schema = schema::<Explanation>();
    let members: BTreeSet<&str> =
        schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    for file in recordings() {
        let told = explain(&fs::read(&file).unwrap());
        for line in plain(&told.text(80)).lines() {
            // A URL is not broken.
            assert!(line.chars().count() <= 80 || line.contains("://"), "{}: {line}", file.display());
        }
        let document = json(&told);
        let has: BTreeSet<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(has, members);
    }
}
