//! What a code of a finding means: a page for each, told by `ifmatch explain CODE`.

use crate::text::{self, BOLD};
use core::fmt::Write as _;
use schemars::JsonSchema;
use serde::Serialize;

/// The page of one code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Article {
    /// A letter and a number: `X03`, `V004`. Stable.
    pub code: &'static str,
    /// A short name, as `self-conflict`. Stable.
    pub name: &'static str,
    /// What it is, in one line without a full stop.
    pub title: &'static str,
    /// What happens, and what it leads to.
    pub means: &'static str,
    /// How it comes about.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// The fix in code.
    pub examples: &'static [Example],
    /// Where the rule stands, as `RFC 9110, Section 13.1.1`.
    pub see: &'static [&'static str],
}

/// Some lines of code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Example {
    /// What it is for: `curl`, `fetch`, `axios`, `requests`, `reqwest`, `nginx`, ...
    pub tool: &'static str,
    /// The lines.
    pub code: &'static str,
}

impl Article {
    /// The page, for a terminal of that many columns, with styles.
    pub fn text(&self, width: usize) -> String {
        let Self { code, name, title, means, cause, fix, examples, see } = self;
        let mut page = format!("{BOLD}{code} {name}{BOLD:#}: {title}\n\n{}\n", text::wrap(means, width, ""));
        for (head, paragraph) in [("Cause", cause), ("Fix", fix)] {
            // Writing to a String cannot fail.
            let _ = write!(page, "\n{BOLD}{head}{BOLD:#}\n{}\n", text::wrap(paragraph, width, "  "));
        }
        for Example { tool, code } in *examples {
            let _ = write!(page, "\n{BOLD}{tool}{BOLD:#}\n{}\n", text::indent(code, "  "));
        }
        if !see.is_empty() {
            let _ = write!(page, "\nSee {}.\n", see.join("; "));
        }
        page
    }

    /// The page, as Markdown, below a heading of its own.
    pub fn markdown(&self) -> String {
        let Self { code, name, title, means, cause, fix, examples, see } = self;
        let mut page = format!(
            "<a id=\"{}\"></a>\n\n## {code} {name}\n\n**{title}.** {means}\n\n**Cause.** {cause}\n\n**Fix.** {fix}\n",
            code.to_ascii_lowercase()
        );
        for Example { tool, code } in *examples {
            let _ = write!(page, "\n{tool}:\n\n```text\n{code}\n```\n");
        }
        if !see.is_empty() {
            let _ = write!(page, "\nSee {}.\n", see.join("; "));
        }
        page
    }
}
