//! The rules of the house, held against the sources. Each finding is one line: where, and what is wrong.

mod arrows;
mod documents;
mod sources;
mod words;

use crate::workspace::{Workspace, root};
use crate::{Result, docs};

/// `cargo xtask tidy`
pub(crate) fn task() -> Result {
    let findings = findings()?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("the house is tidy");
            Ok(())
        }
        count => {
            Err(format!("{count} rules of the house are broken; ARCHITECTURE.md and CONTRIBUTING.md say why"))
        }
    }
}

/// Everything that is against the rules.
pub(crate) fn findings() -> Result<Vec<String>> {
    let workspace = Workspace::read()?;
    let files = sources::read(root())?;
    let mut findings = arrows::check(&workspace);
    findings.extend(sources::check(&files));
    findings.extend(words::check(&files));
    findings.extend(documents::check(&files, &workspace));
    findings.extend(docs::stale());
    Ok(findings)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        let findings = super::findings().unwrap();
        assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
    }
}
