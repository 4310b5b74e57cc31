//! What a refusal says in its content.

use crate::wire::Answer;
use http::header::CONTENT_TYPE;
use serde_json::Value;

/// The longest content that is looked at, in bytes, and the most characters that are shown of it.
const CONTENT_BYTES_MAX: usize = 64 << 10;
const WORDS_CHARS_MAX: usize = 400;

/// Members that say in words what happened, as problem details (RFC 9457) and others have them.
const WORDS: [&str; 5] = ["detail", "message", "error_description", "title", "error"];

/// What a refusal says in its content: problem details, other JSON, or plain text.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Problem {
    json: Option<Value>,
    text: Option<String>,
}

impl Problem {
    pub(crate) fn of(answer: &Answer) -> Self {
        let kind = answer.text(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
        let content = &answer.content[..answer.content.len().min(CONTENT_BYTES_MAX)];
        let json = ifmatch_core::json::parse(content).ok().filter(Value::is_object);
        let is_text = json.is_none() && (kind.is_empty() || kind.starts_with("text/plain"));
        let text = is_text.then(|| cut(&String::from_utf8_lossy(content)));
        Self { json, text: text.filter(|text| !text.is_empty()) }
    }

    /// All of it, if it is a JSON object.
    pub fn json(&self) -> Option<&Value> {
        self.json.as_ref()
    }

    /// What happened, in the server's words.
    pub fn words(&self) -> Option<String> {
        self.words_shown(str::to_owned)
    }

    /// [`Problem::words`], of which something is not to be shown.
    pub(crate) fn words_shown(&self, shown: impl Fn(&str) -> String) -> Option<String> {
        let said = WORDS.iter().find_map(|name| self.member(name));
        said.or(self.text.as_deref()).map(|said| cut(&shown(said)))
    }

    /// The stable code, of problems as ifmatch sends them.
    pub fn code(&self) -> Option<&str> {
        self.member("code")
    }

    /// Why the version did not match, of problems as ifmatch sends them.
    pub fn reason(&self) -> Option<&str> {
        self.member("reason")
    }

    /// The version that is there now, if the server says so. For showing; what is there has not been seen.
    pub fn current(&self) -> Option<&str> {
        self.member("current_etag")
    }

    /// Whether the write was applied: `None` if nothing is said about it, `Some(None)` if it is said that nobody knows.
    pub fn applied(&self) -> Option<Option<bool>> {
        match self.json.as_ref()?.get("applied")? {
            Value::Bool(applied) => Some(Some(*applied)),
            Value::Null => Some(None),
            _ => None,
        }
    }

    fn member(&self, name: &str) -> Option<&str> {
        self.json.as_ref()?.get(name)?.as_str().filter(|text| !text.trim().is_empty())
    }
}

/// One line, not too long, and nothing that moves a terminal's cursor.
fn cut(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect()
}
