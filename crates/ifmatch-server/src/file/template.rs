//! Path templates: `/orders/{id}`, `/files/{*path}`.

use super::reader::{Text, Wrong, shown};
use ifmatch_core::{Target, coarse};

/// Longest template, in bytes.
const TEMPLATE_BYTES_MAX: usize = 1024;

/// A path template. A parameter is a whole segment; one with a star is the rest of the path and stands last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Template {
    segments: Vec<Segment>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Segment {
    Literal(String),
    Parameter(String),
    Rest(String),
}

/// How two templates can be in each other's way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Conflict {
    /// They match the same paths.
    Same,
    /// One has a parameter where the other takes the rest of the path.
    Rest,
}

impl Template {
    pub(super) fn parse(text: &Text) -> Result<Self, Wrong> {
        let path = text.value.as_str();
        if !path.starts_with('/') {
            return Err(text.wrong("a path begins with a slash"));
        }
        if path.len() > TEMPLATE_BYTES_MAX {
            return Err(text.wrong(format!("longer than {TEMPLATE_BYTES_MAX} bytes")));
        }
        let mut segments = Vec::new();
        let mut at = 1;
        let mut rest = path[1..].split('/').peekable();
        while let Some(raw) = rest.next() {
            let part = text.part(at..at + raw.len());
            let segment = segment(raw).map_err(|why| Wrong::new(part.clone(), why).help(HELP))?;
            if matches!(segment, Segment::Rest(_)) && rest.peek().is_some() {
                return Err(Wrong::new(part, "the rest of the path stands last").help(HELP));
            }
            if raw.is_empty() && rest.peek().is_some() {
                return Err(text.wrong("an empty segment (//)"));
            }
            if let Some(name) = segment.parameter()
                && segments.iter().filter_map(Segment::parameter).any(|other| other == name)
            {
                return Err(Wrong::new(part, "this parameter is there already"));
            }
            segments.push(segment);
            at += raw.len() + 1;
        }
        let template = Self { segments };
        template.matches_something(text)?;
        Ok(template)
    }

    /// Paths that servers read in different ways are refused before they are matched.
    fn matches_something(&self, text: &Text) -> Result<(), Wrong> {
        if text.value.contains(['?', '#']) {
            return Err(text
                .wrong("a path only, without query")
                .help("`identity` tells resources apart by query."));
        }
        let literals = || self.segments.iter().map(|s| s.literal().unwrap_or("p"));
        let sample: String = literals().map(|text| format!("/{text}")).collect();
        let is_printable = sample.bytes().all(|b| b.is_ascii_graphic());
        let has_dots = literals().any(|text| matches!(text, "." | ".."));
        if is_printable && !has_dots && Target::parse_forwarded(&sample, None).is_ok() {
            return Ok(());
        }
        Err(text.wrong("no path ever matches this").help(
            "Paths have no dot segments, no backslash, and everything but printable ASCII percent-encoded.",
        ))
    }

    /// The name of the first parameter that `other` does not have in the same way.
    pub(super) fn parameter_not_in(&self, other: &Self) -> Option<String> {
        let is_there = |segment: &Segment| segment.parameter().is_none() || other.segments.contains(segment);
        self.segments.iter().find(|segment| !is_there(segment)).map(|segment| match segment {
            Segment::Rest(name) => format!("{{*{}}}", shown(name)),
            Segment::Parameter(name) | Segment::Literal(name) => format!("{{{}}}", shown(name)),
        })
    }

    /// The template as it is matched, and as its writers wait in lines: one for all spellings of a path.
    pub(super) fn folded(&self) -> Folded {
        let mut segments = Vec::new();
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => {
                    let folded = coarse(&format!("/{text}")).into_owned();
                    let parts = folded.split('/').filter(|part| !part.is_empty());
                    segments.extend(parts.map(|part| Segment::Literal(part.to_owned())));
                }
                parameter => segments.push(parameter.clone()),
            }
        }
        Folded { segments }
    }
}

/// A template for all spellings of its paths, whatever an upstream makes of them.
#[derive(Clone, Debug)]
pub(super) struct Folded {
    segments: Vec<Segment>,
}

impl Folded {
    /// Whether both can be in one table of routes, whose most specific template wins.
    pub(super) fn conflict(&self, other: &Self) -> Option<Conflict> {
        for pair in self.segments.iter().zip(&other.segments) {
            match pair {
                (Segment::Literal(a), Segment::Literal(b)) if a == b => {}
                (Segment::Parameter(_), Segment::Parameter(_)) => {}
                (Segment::Rest(_), Segment::Rest(_)) => return Some(Conflict::Same),
                (Segment::Rest(_), Segment::Parameter(_)) | (Segment::Parameter(_), Segment::Rest(_)) => {
                    return Some(Conflict::Rest);
                }
                _ => return None,
            }
        }
        (self.segments.len() == other.segments.len()).then_some(Conflict::Same)
    }

    /// Whether a path can be of both.
    pub(super) fn meet(&self, other: &Self) -> bool {
        let (mut own, mut others) = (self.segments.iter(), other.segments.iter());
        loop {
            match (own.next(), others.next()) {
                (None, None) => return true,
                (Some(Segment::Rest(_)), Some(_)) | (Some(_), Some(Segment::Rest(_))) => return true,
                (Some(Segment::Literal(a)), Some(Segment::Literal(b))) if a != b => return false,
                (Some(_), Some(_)) => {}
                (Some(_), None) | (None, Some(_)) => return false,
            }
        }
    }
}

const HELP: &str = "A parameter is a whole segment, as in /orders/{id}; the rest of a path stands last, as in \
    /files/{*path}.";

fn segment(raw: &str) -> Result<Segment, &'static str> {
    if !raw.contains(['{', '}']) {
        return Ok(Segment::Literal(raw.to_owned()));
    }
    let Some(inner) = raw.strip_prefix('{').and_then(|raw| raw.strip_suffix('}')) else {
        return Err("a parameter is a whole segment");
    };
    let (name, is_rest) = inner.strip_prefix('*').map_or((inner, false), |name| (name, true));
    if name.is_empty() {
        return Err("a parameter has a name");
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err("names of parameters are letters, digits and _");
    }
    Ok(if is_rest { Segment::Rest(name.to_owned()) } else { Segment::Parameter(name.to_owned()) })
}

impl Segment {
    fn parameter(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Parameter(name) | Self::Rest(name) => Some(name),
        }
    }

    fn literal(&self) -> Option<&str> {
        if let Self::Literal(text) = self { Some(text) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ifmatch_gateway::settings::{Origin, RouteSettings};
    use ifmatch_gateway::{Routes, Settings};

    fn template(path: &str) -> Result<Template, Wrong> {
        Template::parse(&Text::of(path))
    }

    #[test]
    fn what_is_a_template() {
        for good in
            ["/", "/a", "/a/", "/a/{id}", "/a/{id}/b/{x_1}", "/{*rest}", "/a%2fb/%7e/{i}", "/a:b/@c;d=1"]
        {
            assert!(template(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "{id}",
            "/a//b",
            "/{}",
            "/{*}",
            "/{id",
            "/id}",
            "/x{id}",
            "/{id}.json",
            "/{a}{b}",
            "/{*a}/b",
            "/{a-b}",
            "/{a}/{a}",
            "/{a}/{*a}",
            "/a?b",
            "/a#b",
            "/a b",
            "/a%",
            "/./a",
            "/../a",
            "/a\\b",
            "/ö",
            "/a\n",
        ] {
            assert!(template(bad).is_err(), "{bad}");
        }
        assert!(template(&format!("/{}", "a".repeat(TEMPLATE_BYTES_MAX))).is_err());
    }

    #[test]
    fn conflicts_are_those_of_the_table_of_routes() {
        let between =
            |a: &str, b: &str| template(a).unwrap().folded().conflict(&template(b).unwrap().folded());
        for (a, b, expected) in [
            ("/a/{x}", "/a/{y}", Some(Conflict::Same)),
            ("/a/{x}", "/A/{y}/", Some(Conflict::Same)),
            ("/a/b", "/a%2Fb", Some(Conflict::Same)),
            ("/a/{x}", "/a/{*y}", Some(Conflict::Rest)),
            ("/a/{x}/b", "/a/{*y}", Some(Conflict::Rest)),
            ("/{a}/{b}", "/{*r}", Some(Conflict::Rest)),
            ("/{*a}", "/{*b}", Some(Conflict::Same)),
            ("/a/{x}", "/a/b", None),
            ("/a/b/{x}", "/a/{*y}", None),
            ("/a/{x}", "/a/{y}/b", None),
            ("/", "/{*r}", None),
            ("/a", "/b", None),
        ] {
            assert_eq!(between(a, b), expected, "{a} {b}");
            assert_eq!(between(b, a), expected, "{b} {a}");
            assert_eq!(expected.is_none(), fits_the_table(&[a, b]), "{a} {b}");
        }
    }

    /// Whether the gateway takes both.
    fn fits_the_table(templates: &[&str]) -> bool {
        let upstream = Origin { host: "localhost".to_owned(), port: 1 };
        let mut settings = Settings::new(upstream, "state".into());
        settings.routes = templates.iter().map(|&t| RouteSettings::new(t, t)).collect();
        Routes::new(&settings, &[0; 32]).is_ok()
    }

    #[test]
    fn templates_meet_where_a_path_can_be_of_both() {
        let folded = |path: &str| template(path).unwrap().folded();
        for (a, b, meet) in [
            ("/a/{x}", "/A/{y}/", true),
            ("/a/{x}", "/a/b", true),
            ("/a/{x}", "/a/{x}/b", false),
            ("/a/{*x}", "/a/b/c", true),
            ("/a/{*x}", "/a", false),
            ("/a", "/b", false),
            ("/a/b", "/a%2Fb", true),
            ("/", "/", true),
        ] {
            assert_eq!(folded(a).meet(&folded(b)), meet, "{a} {b}");
            assert_eq!(folded(b).meet(&folded(a)), meet, "{b} {a}");
        }
        let (turn, matched) = (template("/o/{id}").unwrap(), template("/o/{id}/x").unwrap());
        assert_eq!(turn.parameter_not_in(&matched), None);
        assert!(turn.parameter_not_in(&template("/o/{*id}").unwrap()).is_some());
    }
}
