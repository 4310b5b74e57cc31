//! The pages of the codes.

mod answers;
mod around;
mod tags;

use crate::article::Article;

/// A page for each code that [`inspect`](super::inspect()) tells, in order.
pub const ARTICLES: &[Article] = &[
    tags::V001,
    tags::V002,
    tags::V003,
    tags::V004,
    tags::V005,
    tags::V006,
    answers::V007,
    answers::V008,
    tags::V009,
    tags::V010,
    answers::V011,
    tags::V012,
    tags::V013,
    answers::V014,
    answers::V015,
    answers::V016,
    answers::V017,
    answers::V018,
    tags::V019,
    answers::V020,
    answers::V021,
    tags::V022,
    tags::V023,
    answers::V024,
    answers::V025,
    around::V026,
    around::V027,
    around::V028,
    around::V029,
    around::V030,
    around::V031,
    around::V032,
    around::V033,
    around::V034,
    around::V035,
    answers::V036,
    answers::V037,
];

/// The page of a code, in any case, or of a short name.
pub fn article(code: &str) -> Option<&'static Article> {
    ARTICLES.iter().find(|article| article.code.eq_ignore_ascii_case(code) || article.name == code)
}

/// The page of a code that is told.
pub(super) fn find(code: &str) -> &'static Article {
    article(code).expect("a test goes through every code that is told")
}

/// What it comes to for those who write, in a sentence.
pub(super) fn gist(code: &str) -> &'static str {
    match code {
        "V001" => "Nobody can write conditionally here.",
        "V002" => "Clients cannot send back what they get.",
        "V003" => "No client can save with If-Match here.",
        "V004" | "V005" => "A client that accepts compression, as every browser does, cannot save here.",
        "V007" => "A web page cannot learn the tag that it has to send.",
        "V009" | "V012" | "V013" => "Writers are refused although nobody came between.",
        "V010" => "A writer may overwrite what it has not seen.",
        "V014" => "Who takes the tag from HEAD has a wrong one.",
        "V016" => "A reader may never see a change.",
        "V023" | "V030" => "No client can save here.",
        "V024" => "A web page cannot write conditionally here.",
        "V027" => "The tag that a write tells cannot be used for the next.",
        "V028" => "A client is refused after its own write.",
        "V031" => "Behind this proxy nobody can save with If-Match.",
        "V032" | "V034" => "Writers are refused until the cache lets go of the old tag.",
        _ => "",
    }
}
