//! Templates of paths and of turn keys.

use ifmatch_core::coarse;

/// A piece of a turn template.
#[derive(Debug)]
pub(super) enum Piece {
    Text(String),
    Parameter(String),
}

/// A template whose literal text is as coarse as the paths it is matched with.
pub(super) fn coarse_template(template: &str) -> String {
    pieces(template)
        .into_iter()
        .map(|piece| match piece {
            Piece::Parameter(name) => format!("{{{name}}}"),
            Piece::Text(text) => {
                let slash = if text.len() > 1 && text.ends_with('/') { "/" } else { "" };
                let begins = if text.starts_with('/') { "" } else { "/" };
                let made = coarse(&format!("{begins}{text}")).into_owned();
                let made = if begins.is_empty() { made } else { made[1..].to_owned() };
                if made == "/" { made } else { made + slash }
            }
        })
        .collect::<String>()
        .trim_end_matches('/')
        .to_owned()
        .or_root()
}

trait OrRoot {
    fn or_root(self) -> Self;
}

impl OrRoot for String {
    fn or_root(self) -> Self {
        if self.is_empty() { "/".to_owned() } else { self }
    }
}

pub(super) fn pieces(template: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        if !text.is_empty() {
            found.push(Piece::Text(text.to_owned()));
        }
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        found.push(Piece::Parameter(name.to_owned()));
        rest = after;
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest.to_owned()));
    }
    found
}
