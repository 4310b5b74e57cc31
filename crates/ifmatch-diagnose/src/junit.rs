//! Reports as JUnit XML, which build servers show.

use core::fmt;

/// The cases of one run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Suite {
    /// Of the suite, as `ifmatch race`.
    pub name: String,
    /// In order.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// Of the case.
    pub name: String,
    /// What it is about, as a URL.
    pub class: String,
    /// How it ended.
    pub end: End,
}

/// How a case ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// As it should.
    Passed,
    /// Not so: in a word, and in full.
    Failed(String, String),
    /// It was not tried: why.
    Skipped(String),
    /// It could not be tried: in a word, and in full.
    Error(String, String),
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |is: fn(&End) -> bool| self.cases.iter().filter(|case| is(&case.end)).count();
        let (failed, errors, skipped) = (
            count(|end| matches!(end, End::Failed(..))),
            count(|end| matches!(end, End::Error(..))),
            count(|end| matches!(end, End::Skipped(_))),
        );
        let (name, tests) = (Text(&self.name), self.cases.len());
        writeln!(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        writeln!(
            f,
            "<testsuites><testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"{errors}\" skipped=\"{skipped}\">"
        )?;
        for Case { name, class, end } in &self.cases {
            write!(f, "  <testcase name=\"{}\" classname=\"{}\"", Text(name), Text(class))?;
            match end {
                End::Passed => writeln!(f, "/>")?,
                End::Failed(word, text) => element(f, "failure", word, text)?,
                End::Error(word, text) => element(f, "error", word, text)?,
                End::Skipped(why) => writeln!(f, "><skipped message=\"{}\"/></testcase>", Text(why))?,
            }
        }
        writeln!(f, "</testsuite></testsuites>")
    }
}

fn element(f: &mut fmt::Formatter<'_>, name: &str, word: &str, text: &str) -> fmt::Result {
    writeln!(f, "><{name} message=\"{}\">{}</{name}></testcase>", Text(word), Text(text))
}

/// Text in which nothing is markup. What XML cannot hold at all becomes U+FFFD.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\n' => f.write_str("&#10;"),
            '\t' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => {
                write!(f, "{character}")
            }
            _ => f.write_str("\u{fffd}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_report_is_markup() {
        let case = |name: &str, end| Case { name: name.to_owned(), class: "http://a/?x&y".to_owned(), end };
        let suite = Suite {
            name: "ifmatch race".to_owned(),
            cases: vec![
                case("a<b", End::Passed),
                case("b", End::Failed("LOSES \"UPDATES\"".to_owned(), "1 < 2\u{1b}".to_owned())),
                case("c", End::Skipped("not asked for".to_owned())),
                case("d", End::Error("DEAD".to_owned(), "gone".to_owned())),
            ],
        };
        assert_eq!(
            suite.to_string(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites><testsuite name=\"ifmatch race\" tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\">\n  \
             <testcase name=\"a&lt;b\" classname=\"http://a/?x&amp;y\"/>\n  \
             <testcase name=\"b\" classname=\"http://a/?x&amp;y\"><failure message=\"LOSES &quot;UPDATES&quot;\">1 &lt; 2\u{fffd}</failure></testcase>\n  \
             <testcase name=\"c\" classname=\"http://a/?x&amp;y\"><skipped message=\"not asked for\"/></testcase>\n  \
             <testcase name=\"d\" classname=\"http://a/?x&amp;y\"><error message=\"DEAD\">gone</error></testcase>\n\
             </testsuite></testsuites>\n"
        );
    }
}
