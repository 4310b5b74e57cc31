//! Where things are, and what the manifests say.

use crate::Result;
use crate::run::{cargo, output};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The root of the workspace: the folder above xtask.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// What a dependency is needed for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Normal,
    Dev,
    Build,
}

/// A dependency as a manifest has it.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether it is one of ours.
    pub(crate) is_local: bool,
}

/// A crate of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) benches: Vec<String>,
}

/// The workspace as cargo sees it.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks cargo. Needs no network.
    pub(crate) fn read() -> Result<Self> {
        let text = output(&mut cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
        let target = PathBuf::from(text_of(&value["target_directory"]));
        Ok(Self { packages: items(&value["packages"]).map(package).collect(), target })
    }

    /// The crate of that name.
    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }
}

fn package(value: &Value) -> Package {
    let dependencies = items(&value["dependencies"]).map(|dependency| Dependency {
        name: text_of(&dependency["name"]),
        kind: match dependency["kind"].as_str() {
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        },
        is_local: dependency["path"].is_string(),
    });
    let is_bench = |target: &&Value| items(&target["kind"]).any(|kind| kind == "bench");
    Package {
        name: text_of(&value["name"]),
        version: text_of(&value["version"]),
        dependencies: dependencies.collect(),
        benches: items(&value["targets"]).filter(is_bench).map(|target| text_of(&target["name"])).collect(),
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
