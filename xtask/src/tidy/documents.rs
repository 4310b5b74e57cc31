//! Documents that have to keep up: reasons for dependencies, decisions, links.

use super::sources::File;
use crate::workspace::Workspace;
use std::collections::BTreeSet;
use std::path::Path;

/// The heading in ARCHITECTURE.md under which the table of dependencies stands.
const DEPENDENCIES: &str = "## Dependencies";

/// Documents that every repository of ours has.
const REQUIRED: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "docs/src/SUMMARY.md",
];

/// What the documents lack.
pub(super) fn check(files: &[File], workspace: &Workspace) -> Vec<String> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map_or("", |file| &file.text);
    let missing = REQUIRED.iter().filter(|path| text(path).is_empty());
    let mut findings: Vec<String> = missing.map(|path| format!("{path}: is missing")).collect();
    findings.extend(reasons(text("ARCHITECTURE.md"), &dependencies(text("Cargo.toml"), workspace)));
    findings.extend(listed(files, "docs/adr/", text("docs/adr/README.md"), "docs/adr/README.md"));
    findings.extend(listed(files, "docs/src/", text("docs/src/SUMMARY.md"), "docs/src/SUMMARY.md"));
    findings
        .extend(files.iter().filter(|file| file.path.ends_with(".md")).flat_map(|file| links(file, files)));
    findings.extend(undocumented(text("docs/src/problems.md")));
    findings
}

/// All crates of others that the workspace names: in its table, and in any manifest.
fn dependencies(manifest: &str, workspace: &Workspace) -> BTreeSet<String> {
    let table = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let table = table.take_while(|line| !line.starts_with('['));
    let names = table.filter_map(|line| Some(line.split_once(" = ")?.0.trim().to_owned()));
    let used = workspace.packages.iter().flat_map(|package| &package.dependencies);
    let used = used.filter(|dependency| !dependency.is_local).map(|dependency| dependency.name.clone());
    names.filter(|name| !name.starts_with("ifmatch-")).chain(used).collect()
}

/// Each dependency has its reason in the table, and each row of the table is a dependency.
fn reasons(architecture: &str, dependencies: &BTreeSet<String>) -> Vec<String> {
    let section = architecture.lines().skip_while(|line| *line != DEPENDENCIES).skip(1);
    let section = section.take_while(|line| !line.starts_with("## "));
    let mut given = BTreeSet::new();
    for line in section.filter(|line| line.starts_with("| `")) {
        let names = line.split('|').nth(1).unwrap_or_default();
        given.extend(names.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    let without = dependencies.difference(&given);
    let without = without.map(|name| format!("ARCHITECTURE.md: gives no reason for the dependency {name}"));
    let stale = given.difference(dependencies);
    let stale = stale.map(|name| format!("ARCHITECTURE.md: has a row for {name}, which nothing depends on"));
    without.chain(stale).collect()
}

/// Each page in a folder is linked from its index.
fn listed(files: &[File], folder: &str, index: &str, index_path: &str) -> Vec<String> {
    let pages = files.iter().filter_map(|file| file.path.strip_prefix(folder));
    let pages = pages.filter(|page| page.ends_with(".md") && !["README.md", "SUMMARY.md"].contains(page));
    let lost = pages.filter(|page| !index.contains(&format!("({page})")));
    lost.map(|page| format!("{index_path}: does not list {page}")).collect()
}

/// Links to files that are not there.
fn links(file: &File, files: &[File]) -> Vec<String> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let exists = |target: &str| {
        let path = normalised(&folder.join(target));
        files.iter().any(|other| other.path == path || other.path.starts_with(&format!("{path}/")))
    };
    let targets =
        file.text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with(['#', '<']));
    let local =
        local.map(|target| target.split('#').next().unwrap_or(target)).filter(|t| !t.contains([' ', '`']));
    let broken = local.filter(|target| !exists(target));
    broken.map(|target| format!("{}: links to {target}, which is not there", file.path)).collect()
}

/// A path without `.` and `..`, with slashes.
fn normalised(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part.as_os_str().to_string_lossy().as_ref() {
            "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name.to_owned()),
        }
    }
    parts.join("/")
}

/// Every problem has its section, whatever the page is made with.
fn undocumented(page: &str) -> Vec<String> {
    let missing =
        ifmatch_core::Code::ALL.iter().filter(|code| !page.contains(&format!("## `{}`", code.name())));
    missing.map(|code| format!("docs/src/problems.md: does not document {}", code.name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_asked_for_in_both_directions() {
        let page =
            "## Dependencies\n\n| crate | reason |\n|---|---|\n| `http`, `bytes` | x |\n\n## Next\n| `no` |";
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        assert!(reasons(page, &names(&["http", "bytes"])).is_empty());
        assert_eq!(reasons(page, &names(&["http", "bytes", "no"])).len(), 1);
        assert_eq!(reasons(page, &names(&["http"])).len(), 1);
    }

    #[test]
    fn links_are_followed() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let page =
            file("docs/a.md", "[x](../README.md#y) [x](b.md) [x](https://x) [x](#y) [x](adr) [x](c.md)");
        let files = [file("README.md", ""), file("docs/b.md", ""), file("docs/adr/x.md", ""), page];
        assert_eq!(links(&files[3], &files), ["docs/a.md: links to c.md, which is not there"]);
    }
}
