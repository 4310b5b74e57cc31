//! Which crate may use which.

use crate::workspace::{Dependency, Kind, Package, Workspace};

/// For each crate, the crates of ours that it may use. ARCHITECTURE.md draws the same picture.
const ARROWS: [(&str, &[&str]); 13] = [
    ("ifmatch-core", &[]),
    ("ifmatch-guard", &["ifmatch-core"]),
    ("ifmatch-store", &["ifmatch-core"]),
    ("ifmatch-client", &["ifmatch-core"]),
    ("ifmatch-openapi", &["ifmatch-core"]),
    ("ifmatch-origin", &["ifmatch-guard", "ifmatch-store", "ifmatch-core"]),
    ("ifmatch-gateway", &["ifmatch-guard", "ifmatch-store", "ifmatch-core"]),
    (
        "ifmatch-server",
        &["ifmatch-origin", "ifmatch-gateway", "ifmatch-guard", "ifmatch-store", "ifmatch-core"],
    ),
    ("ifmatch-diagnose", &["ifmatch-client", "ifmatch-core"]),
    ("ifmatch-cli", EVERYTHING),
    ("ifmatch-testkit", &["ifmatch-guard", "ifmatch-core"]),
    ("ifmatch-bench", &["ifmatch-testkit", "ifmatch-client", "ifmatch-core"]),
    ("xtask", &["ifmatch-testkit", "ifmatch-diagnose", "ifmatch-core"]),
];

const EVERYTHING: &[&str] = &[
    "ifmatch-server",
    "ifmatch-origin",
    "ifmatch-gateway",
    "ifmatch-guard",
    "ifmatch-store",
    "ifmatch-client",
    "ifmatch-diagnose",
    "ifmatch-openapi",
    "ifmatch-core",
];

/// All that core is built on: types and data, nothing that reads, waits or tells the time.
const CORE_USES: [&str; 3] = ["http", "serde", "serde_json"];

/// Arrows that are not allowed.
pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    workspace.packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<String> {
    let name = package.name.as_str();
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
        return vec![format!("{name}: no arrows are declared for it; see xtask/src/tidy/arrows.rs")];
    };
    let is_wrong = |dependency: &&Dependency| {
        let to = dependency.name.as_str();
        let in_tests = dependency.kind == Kind::Dev && (to == "ifmatch-testkit" || to == name);
        dependency.is_local && !allowed.contains(&to) && !in_tests && name != "ifmatch-testkit"
    };
    let wrong = package.dependencies.iter().filter(is_wrong);
    let mut findings: Vec<_> =
        wrong.map(|d| format!("{name}: may not use {}; see ARCHITECTURE.md", d.name)).collect();
    let foreign = package.dependencies.iter().filter(|d| {
        let in_core = name == "ifmatch-core" && d.kind != Kind::Dev && !CORE_USES.contains(&d.name.as_str());
        let in_testkit = name == "ifmatch-testkit" && d.kind != Kind::Dev && d.is_local;
        in_core || (in_testkit && !allowed.contains(&d.name.as_str()))
    });
    findings.extend(foreign.map(|d| format!("{name}: may not be built on {}", d.name)));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, Kind)]) -> Package {
        let dependencies = dependencies.iter().map(|&(name, kind)| Dependency {
            name: name.to_owned(),
            kind,
            is_local: name.starts_with("ifmatch-"),
        });
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            dependencies: dependencies.collect(),
            benches: Vec::new(),
        }
    }

    #[test]
    fn wrong_arrows_are_found() {
        for (name, to, kind, findings) in [
            ("ifmatch-guard", "ifmatch-core", Kind::Normal, 0),
            ("ifmatch-guard", "ifmatch-testkit", Kind::Dev, 0),
            ("ifmatch-store", "ifmatch-store", Kind::Dev, 0),
            ("ifmatch-testkit", "ifmatch-origin", Kind::Dev, 0),
            ("ifmatch-core", "http", Kind::Normal, 0),
            ("ifmatch-core", "tokio", Kind::Dev, 0),
            ("ifmatch-core", "tokio", Kind::Normal, 1),
            ("ifmatch-core", "cc", Kind::Build, 1),
            ("ifmatch-core", "ifmatch-store", Kind::Dev, 1),
            ("ifmatch-guard", "ifmatch-testkit", Kind::Normal, 1),
            ("ifmatch-guard", "ifmatch-store", Kind::Normal, 1),
            ("ifmatch-store", "ifmatch-guard", Kind::Dev, 1),
            ("ifmatch-testkit", "ifmatch-origin", Kind::Normal, 1),
            ("ifmatch-other", "http", Kind::Normal, 1),
        ] {
            let found = check_package(&package(name, &[(to, kind)]));
            assert_eq!(found.len(), findings, "{name} -> {to} ({kind:?}): {found:?}");
        }
    }
}
