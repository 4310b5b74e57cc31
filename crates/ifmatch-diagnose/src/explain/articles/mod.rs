//! The pages of the causes, X01 to X17.

mod missing;
mod other;
mod stale;
mod tags;

use crate::article::{Article, Example};

/// The pages, in the order of their codes.
pub static ARTICLES: [&Article; 17] = [
    &missing::X01,
    &stale::X02,
    &stale::X03,
    &tags::X04,
    &tags::X05,
    &tags::X06,
    &missing::X07,
    &tags::X08,
    &missing::X09,
    &stale::X10,
    &stale::X11,
    &stale::X12,
    &stale::X13,
    &other::X14,
    &other::X15,
    &other::X16,
    &missing::X17,
];

/// The page of a code, in any case.
pub fn article(code: &str) -> Option<&'static Article> {
    ARTICLES.iter().copied().find(|article| article.code.eq_ignore_ascii_case(code) || article.name == code)
}

const fn example(tool: &'static str, code: &'static str) -> Example {
    Example { tool, code }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two of 80 are for the space before.
    const CODE_COLUMNS_MAX: usize = 78;

    #[test]
    fn every_page_is_whole() {
        for (index, article) in ARTICLES.iter().enumerate() {
            assert_eq!(article.code, format!("X{:02}", index + 1));
            let tools: Vec<_> = article.examples.iter().map(|example| example.tool).collect();
            assert_eq!(tools, ["curl", "fetch", "axios", "requests", "reqwest"], "{}", article.code);
            assert!(
                !article.title.ends_with('.')
                    && article.name.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            );
            for text in [article.means, article.cause, article.fix] {
                assert!(text.ends_with('.') && !text.contains("  "), "{}: {text}", article.code);
            }
            let widest = article.examples.iter().flat_map(|e| e.code.lines()).map(str::len).max();
            assert!(widest <= Some(CODE_COLUMNS_MAX), "{}: {widest:?}", article.code);
        }
        assert_eq!(article("x03").map(|a| a.name), Some("self-conflict"));
        assert_eq!(article("blind-retry").map(|a| a.code), Some("X16"));
    }
}
