//! How one exchange goes, when it does not go as usual.

use super::Gate;

/// A moment of an exchange. At each it can be held, or the connection cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The head is there, of the content nothing was read that did not come with it.
    Head,
    /// All content is there, nothing was applied.
    Content,
    /// It was applied, nothing was answered.
    Applied,
    /// Half the head of the answer was sent.
    AnswerHead,
    /// The head and half the content of the answer were sent.
    AnswerContent,
    /// All of the answer was sent.
    Answered,
}

/// When a write takes effect.
#[derive(Debug, Clone, Default)]
pub enum Apply {
    /// After its content came, before the answer.
    #[default]
    Now,
    /// Not at all.
    Never,
    /// After its content came, when the gate lets it, whatever becomes of the exchange. The usual answer is 202.
    Late(Gate),
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub enum Answer {
    /// What the method and the resource have for an answer.
    #[default]
    Usual,
    /// A status of its own, with fields and content.
    Status(u16, Vec<(String, String)>, Vec<u8>),
    /// 200 with so much content: made while it is sent, however large.
    Filler(u64),
    /// These bytes, head and all. The connection is closed afterwards.
    Raw(Vec<u8>),
}

/// How the content of the answer is framed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length`.
    #[default]
    Length,
    /// Chunked, with these trailer fields.
    Chunked(Vec<(String, String)>),
    /// By the end of the connection.
    UntilClose,
}

/// What becomes of the connection after the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum After {
    /// It is kept.
    #[default]
    Keep,
    /// It is closed, as `Connection: close` in the answer said.
    SaidClose,
    /// It is closed, and the answer did not say so.
    SilentClose,
}

/// How one exchange goes. Without anything set: as it should.
#[derive(Debug, Clone, Default)]
pub struct Course {
    pub(super) apply: Apply,
    pub(super) answer: Answer,
    pub(super) framing: Framing,
    pub(super) after: After,
    pub(super) interim: Vec<(u16, Vec<(String, String)>)>,
    pub(super) fields: Vec<(String, String)>,
    pub(super) holds: Vec<(Point, Gate)>,
    pub(super) cut: Option<Point>,
    pub(super) resets: bool,
    pub(super) is_early: bool,
    pub(super) is_bytewise: bool,
}

impl Course {
    /// As it should.
    pub fn usual() -> Self {
        Self::default()
    }

    /// This status with a word of content, and nothing is applied: the usual way to refuse or fail.
    pub fn status(status: u16) -> Self {
        let content = format!("status {status}\n").into_bytes();
        let fields = vec![("Content-Type".to_owned(), "text/plain".to_owned())];
        Self { answer: Answer::Status(status, fields, content), apply: Apply::Never, ..Self::default() }
    }

    /// The write is applied, and then this status is answered.
    pub fn applied_then(status: u16) -> Self {
        Self { apply: Apply::Now, ..Self::status(status) }
    }

    /// This status as soon as the head is there. The content is never asked for; the connection is closed afterwards,
    /// unless [`Course::after`] says otherwise: then the content is read and thrown away.
    pub fn early(status: u16) -> Self {
        Self { is_early: true, after: After::SaidClose, ..Self::status(status) }
    }

    /// 202 now; applied when the gate lets it.
    pub fn accepted(gate: &Gate) -> Self {
        Self { answer: Answer::Status(202, Vec::new(), Vec::new()), ..Self::late(gate) }
    }

    /// Applied when the gate lets it, and not before. With a cut: a write that lands after its exchange was lost.
    pub fn late(gate: &Gate) -> Self {
        Self { apply: Apply::Late(gate.clone()), ..Self::default() }
    }

    /// The exchange is held there until the gate lets it go on.
    pub fn held(point: Point, gate: &Gate) -> Self {
        Self::default().hold(point, gate)
    }

    /// The connection ends there.
    pub fn cut_at(point: Point) -> Self {
        Self::default().cut(point)
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).field("Location", location)
    }

    /// 200 with so much content.
    pub fn filler(bytes: u64) -> Self {
        Self { answer: Answer::Filler(bytes), ..Self::default() }
    }

    /// Exactly these bytes as an answer.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { answer: Answer::Raw(bytes.into()), apply: Apply::Never, ..Self::default() }
    }

    /// When the write takes effect.
    #[must_use]
    pub fn apply(mut self, apply: Apply) -> Self {
        self.apply = apply;
        self
    }

    /// What is answered.
    #[must_use]
    pub fn answer(mut self, answer: Answer) -> Self {
        self.answer = answer;
        self
    }

    /// How the answer is framed.
    #[must_use]
    pub fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// What becomes of the connection after the answer.
    #[must_use]
    pub fn after(mut self, after: After) -> Self {
        self.after = after;
        self
    }

    /// An interim answer before the final one.
    #[must_use]
    pub fn interim(mut self, status: u16, fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.interim.push((status, fields));
        self
    }

    /// One more field of the final answer.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Held there until the gate lets it go on; may be said of several points. A hold comes before a cut at the same
    /// point.
    #[must_use]
    pub fn hold(mut self, point: Point, gate: &Gate) -> Self {
        self.holds.push((point, gate.clone()));
        self
    }

    /// The connection ends there.
    #[must_use]
    pub fn cut(mut self, point: Point) -> Self {
        self.cut = Some(point);
        self
    }

    /// A cut is a reset, not an orderly end.
    #[must_use]
    pub fn reset(mut self) -> Self {
        self.resets = true;
        self
    }

    /// The answer is sent one byte at a time, each in a write of its own.
    #[must_use]
    pub fn bytewise(mut self) -> Self {
        self.is_bytewise = true;
        self
    }
}
