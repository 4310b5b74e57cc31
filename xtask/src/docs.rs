//! The pages of the documentation that are made from code.

use crate::Result;
use crate::workspace::root;
use ifmatch_core::{Code, matrix};
use ifmatch_diagnose::article::Article;
use ifmatch_diagnose::{explain, inspect};
use std::fmt::Write as _;
use std::fs;

/// A generated page: its path from the root, and its text.
pub(crate) struct Page {
    pub(crate) path: &'static str,
    pub(crate) text: String,
}

/// All generated pages.
pub(crate) fn pages() -> [Page; 3] {
    [
        Page { path: "docs/src/behaviour.md", text: matrix::page() },
        Page { path: "docs/src/problems.md", text: problems() },
        Page { path: "docs/src/codes.md", text: codes() },
    ]
}

/// `cargo xtask docs`
pub(crate) fn write() -> Result {
    for page in pages() {
        fs::write(root().join(page.path), page.text).map_err(|error| format!("{}: {error}", page.path))?;
        println!("{}", page.path);
    }
    Ok(())
}

/// Pages that are not what the code says, as findings.
pub(crate) fn stale() -> Vec<String> {
    let is_stale = |page: &Page| fs::read_to_string(root().join(page.path)).ok().as_ref() != Some(&page.text);
    let stale = pages().into_iter().filter(is_stale);
    stale.map(|page| format!("{}: is not what the code says; run `cargo xtask docs`", page.path)).collect()
}

fn problems() -> String {
    let mut page = String::from(
        "# Problems\n\n\
         Made from the table in `ifmatch-core` by `cargo xtask docs`; a test holds it against the table.\n\n\
         A request that is refused is answered with problem details (RFC 9457) as `application/problem+json`. The \
         members have the same names in all of them. `code` is stable and may be switched on; `title` is the standard \
         phrase of the status; `detail` says in words what was wrong and ends with what happened to the data; \
         `applied` is `false`, or `null` where nobody can know; `retry.same_request` says whether simply sending the \
         same request again can help; `steps`, where present, says what to send instead. Some codes are for parts \
         that are not here yet.\n\n\
         | code | status | applied | same request again? | what to do, for machines |\n|---|---|---|---|---|\n",
    );
    // Writing to a String cannot fail.
    for code in Code::ALL {
        let (name, slug, status) = (code.name(), code.slug(), code.status().as_u16());
        let (applied, again) = (applied(*code), if code.same_request() { "yes" } else { "no" });
        let _ =
            writeln!(page, "| [`{name}`](#{slug}) | {status} | {applied} | {again} | `{}` |", code.action());
    }
    for code in Code::ALL {
        let (name, slug, status) = (code.name(), code.slug(), code.status().as_u16());
        let _ = write!(
            page,
            "\n<a id=\"{slug}\"></a>\n\n## `{name}`\n\n**{status} {}** · type `{}`\n\n{}\n\n**What to do.** {}\n",
            code.title(),
            code.type_path(),
            code.means(),
            code.todo(),
        );
    }
    page
}

fn codes() -> String {
    let mut page = String::from(
        "# Codes of the diagnosis\n\n\
         Made from the pages in `ifmatch-diagnose` by `cargo xtask docs`. `X` codes are causes that \
         [`ifmatch explain`](explain.md) names, `V` codes findings of [`ifmatch inspect`](inspect.md). A code and its name are \
         stable. `ifmatch explain CODE` prints the same page.\n\n| code | name | |\n|---|---|---|\n",
    );
    let articles = || explain::ARTICLES.iter().copied().chain(inspect::ARTICLES);
    // Writing to a String cannot fail.
    for Article { code, name, title, .. } in articles() {
        let _ = writeln!(page, "| [{code}](#{}) | {name} | {title} |", code.to_ascii_lowercase());
    }
    for article in articles() {
        let _ = write!(page, "\n{}", article.markdown());
    }
    page
}

fn applied(code: Code) -> &'static str {
    match code.applied() {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
}
