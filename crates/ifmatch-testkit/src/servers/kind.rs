//! Which servers there are, and how a document looks at each.

/// JSON, as most APIs have it.
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Kinto wants to know somebody; anybody will do.
const SOMEBODY: (&str, &str) = ("Authorization", "Basic dHJpZWQ6dHJpZWQ=");

/// What comes before the number in a card.
const NOTE: &str = "NOTE:";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// nginx with its DAV module: files; tags from time and size, conditions of PUT ignored.
    NginxDav,
    /// Apache with `mod_dav_fs`: files; looks at conditions first and writes later. In the first second of a file its tag
    /// is weak, and If-Match with it is 412.
    ApacheDav,
    /// lighttpd with `mod_webdav`: files; judges conditions and writes in one thread, so that nothing comes between.
    Lighttpd,
    /// `WsgiDAV`: files; looks at conditions first and writes later, shows files half written, tags from time and size.
    WsgiDav,
    /// Radicale: cards of an address book; judges conditions and writes while it holds the folder for itself.
    Radicale,
    /// Kinto with everything in memory: looks at conditions first and writes later, but so soon that tries seldom hit the
    /// moment between; tags are times in milliseconds, and If-Match with anything but a number is 400.
    Kinto,
    /// An app of a few lines in Django with a database: its own decorator judges, the view writes later.
    Django,
    /// An app of a few lines in flask-smorest with tags on: asks for a condition, looks at it first and writes later;
    /// PUT does not create.
    FlaskSmorest,
    /// An app of a few lines in Flask: closes each connection, adds to what is sent, no tags.
    Flask,
    /// json-server: one JSON file, weak tags, conditions of PUT ignored; PUT does not create.
    JsonServer,
    /// A few lines on Python's own server: files, no tags.
    HttpServer,
}

/// What a document is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A number as text.
    Text,
    /// `{"number": N}`
    Json,
    /// `{"data": {"number": N}}`
    JsonInData,
    /// A vCard with the number as its note.
    Card,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::NginxDav,
        Self::ApacheDav,
        Self::Lighttpd,
        Self::WsgiDav,
        Self::Radicale,
        Self::Kinto,
        Self::Django,
        Self::FlaskSmorest,
        Self::Flask,
        Self::JsonServer,
        Self::HttpServer,
    ];

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::NginxDav => "nginx DAV",
            Self::ApacheDav => "Apache mod_dav",
            Self::Lighttpd => "lighttpd webdav",
            Self::WsgiDav => "WsgiDAV",
            Self::Radicale => "Radicale",
            Self::Kinto => "Kinto, memory",
            Self::Django => "Django `condition`, SQLite",
            Self::FlaskSmorest => "flask-smorest ETag, files",
            Self::Flask => "Flask",
            Self::JsonServer => "json-server",
            Self::HttpServer => "Python http.server",
        }
    }

    /// Whether a PUT to where nothing is creates.
    pub fn creates(self) -> bool {
        !matches!(self, Self::JsonServer | Self::FlaskSmorest)
    }

    /// Whether it is known not to look at If-Match of a PUT.
    pub fn ignores_conditions(self) -> bool {
        matches!(self, Self::NginxDav | Self::JsonServer | Self::Flask | Self::HttpServer)
    }

    /// Whether it refuses a PUT without a condition with 428.
    pub fn requires_conditions(self) -> bool {
        self == Self::FlaskSmorest
    }

    /// Whether nothing comes between its look at a condition and the write.
    pub fn is_atomic(self) -> bool {
        matches!(self, Self::Lighttpd | Self::Radicale)
    }

    /// Where the number is in a JSON document, as a JSON Pointer; nothing for a document that is not JSON.
    pub fn number_pointer(self) -> Option<&'static str> {
        match self.form() {
            Form::Json => Some("/number"),
            Form::JsonInData => Some("/data/number"),
            Form::Text | Form::Card => None,
        }
    }

    fn form(self) -> Form {
        match self {
            Self::JsonServer | Self::Flask | Self::Django | Self::FlaskSmorest => Form::Json,
            Self::Kinto => Form::JsonInData,
            Self::Radicale => Form::Card,
            Self::NginxDav | Self::ApacheDav | Self::Lighttpd | Self::WsgiDav | Self::HttpServer => {
                Form::Text
            }
        }
    }

    /// The target of a document. Names are letters, digits and hyphens.
    pub fn target(self, name: &str) -> String {
        match self {
            Self::JsonServer | Self::Flask | Self::Django | Self::FlaskSmorest => {
                format!("/documents/{name}")
            }
            Self::Kinto => format!("/v1/buckets/tried/collections/documents/records/{name}"),
            Self::Radicale => format!("/tried/cards/{name}.vcf"),
            Self::NginxDav | Self::ApacheDav | Self::Lighttpd | Self::WsgiDav | Self::HttpServer => {
                format!("/{name}")
            }
        }
    }

    /// What a PUT of a document that holds this number sends.
    pub fn content(self, name: &str, number: u64) -> Vec<u8> {
        match self.form() {
            Form::Text => number.to_string(),
            Form::Json => format!("{{\"number\":{number}}}"),
            Form::JsonInData => format!("{{\"data\":{{\"number\":{number}}}}}"),
            Form::Card => format!(
                "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{name}\r\nFN:{name}\r\nN:{name};;;;\r\n{NOTE}{number}\r\nEND:VCARD\r\n"
            ),
        }
        .into_bytes()
    }

    /// The number in the content of a document; nothing for one that was read while it was being written.
    pub fn number(self, content: &[u8]) -> Option<u64> {
        let text = str::from_utf8(content).ok()?;
        match self.form() {
            Form::Text => text.parse().ok(),
            Form::Json | Form::JsonInData => {
                let is_whole = text.trim_end().ends_with('}');
                let (_, after) = text.split_once("\"number\":").filter(|_| is_whole)?;
                let after = after.trim_start();
                let end = after.find(|c: char| !c.is_ascii_digit())?;
                after[..end].parse().ok()
            }
            Form::Card => {
                let is_whole = text.trim_end().ends_with("END:VCARD");
                let mut lines = text.lines().filter(|_| is_whole);
                lines.find_map(|line| line.strip_prefix(NOTE))?.parse().ok()
            }
        }
    }

    /// The field lines of a read, before others.
    pub fn read_fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Kinto => &[SOMEBODY],
            _ => &[],
        }
    }

    /// The field lines of a write, before others; the first is Content-Type.
    pub fn write_fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Kinto => &[JSON, SOMEBODY],
            _ => match self.form() {
                Form::Text => &[("Content-Type", "text/plain")],
                Form::Json | Form::JsonInData => &[JSON],
                Form::Card => &[("Content-Type", "text/vcard")],
            },
        }
    }
}
