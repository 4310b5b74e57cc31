//! Each server starts, and answers to conditions as the table says. What is proved elsewhere about lost updates is held
//! against this table.

#![allow(clippy::print_stdout, reason = "figures for whoever asks for them with --nocapture")]

use super::settled;
use ifmatch_testkit::raw::Response;
use ifmatch_testkit::servers::{Fields, Kind, Place, Server};
use std::time::Instant;

/// What a server says to a PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    kind: Kind,
    tags: Tags,
    /// Something is there: a PUT without a condition.
    plain: u16,
    /// ... with If-Match and the tag that it showed last.
    current: u16,
    /// ... with If-Match and the tag of an earlier state.
    stale: u16,
    /// ... with If-Match and a tag that it never showed.
    unknown: u16,
    /// ... with If-None-Match: *.
    exists: u16,
    /// Nothing is there: a PUT with If-None-Match: *.
    new: u16,
}

/// Which tags it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tags {
    None,
    Weak,
    Strong,
}

#[rustfmt::skip]
const TABLE: [Row; 11] = [
    //                                     plain current stale unknown exists new
    row(Kind::NginxDav,     Tags::Strong, [204,  204,    204,  204,    204,   201]),
    row(Kind::ApacheDav,    Tags::Strong, [204,  204,    412,  412,    412,   201]),
    row(Kind::Lighttpd,     Tags::Strong, [204,  204,    412,  412,    412,   201]),
    row(Kind::WsgiDav,      Tags::Strong, [204,  204,    412,  412,    412,   201]),
    row(Kind::Radicale,     Tags::Strong, [204,  204,    412,  412,    412,   201]),
    // Of a tag it wants to see a number.
    row(Kind::Kinto,        Tags::Strong, [200,  200,    412,  400,    412,   201]),
    row(Kind::Django,       Tags::Strong, [204,  204,    412,  412,    412,   201]),
    row(Kind::FlaskSmorest, Tags::Strong, [428,  200,    412,  412,    428,   428]),
    row(Kind::Flask,        Tags::None,   [200,  200,    200,  200,    200,   201]),
    row(Kind::JsonServer,   Tags::Weak,   [200,  200,    200,  200,    200,   404]),
    row(Kind::HttpServer,   Tags::None,   [204,  204,    204,  204,    204,   201]),
];

const fn row(kind: Kind, tags: Tags, statuses: [u16; 6]) -> Row {
    let [plain, current, stale, unknown, exists, new] = statuses;
    Row { kind, tags, plain, current, stale, unknown, exists, new }
}

/// A document, and what it last held.
struct Document<'a> {
    place: Place,
    name: &'a str,
    number: u64,
}

impl<'a> Document<'a> {
    fn create(place: Place, name: &'a str) -> Self {
        place.create(name, 1).expect("a new document");
        Self { place, name, number: 1 }
    }

    /// The tag; checks what is there.
    fn tag(&self) -> Option<String> {
        let response = settled(self.place, self.name);
        self.check(&response);
        response.value("etag").map(str::to_owned)
    }

    fn check(&self, response: &Response) {
        let number = self.place.kind.number(&response.content);
        assert_eq!((response.status, number), (200, Some(self.number)), "{}", response.text());
    }

    /// Puts a number that is longer: tags from time and size alone see no other change within a second. What is there
    /// afterwards is it if and only if that was the answer.
    fn put(&mut self, condition: Fields<'_>) -> u16 {
        let number = self.number * 10;
        let status = self.place.put(self.name, condition, number).expect("an answer");
        if status < 300 {
            self.number = number;
        }
        self.check(&self.place.read(self.name).expect("an answer"));
        status
    }
}

/// What a server does.
fn measured(place: Place) -> Row {
    let names = ["current", "stale", "plain", "unknown", "exists"];
    let [mut current, mut stale, mut plain, mut unknown, mut exists] =
        names.map(|name| Document::create(place, name));
    let tag = current.tag();
    let tags = match &tag {
        None => Tags::None,
        Some(tag) if tag.starts_with("W/") => Tags::Weak,
        Some(_) => Tags::Strong,
    };
    let never = "\"never\"".to_owned();
    let first = stale.tag().unwrap_or_else(|| never.clone());
    assert!(stale.put(&[("If-Match", &first)]) < 300);
    let nothing = place.put("new", &[("If-None-Match", "*")], 1).expect("an answer");
    let read = place.read("new").expect("an answer");
    assert_eq!(read.status, if nothing < 300 { 200 } else { 404 });
    Row {
        kind: place.kind,
        tags,
        plain: plain.put(&[]),
        current: current.put(&[("If-Match", tag.as_ref().unwrap_or(&never))]),
        stale: stale.put(&[("If-Match", &first)]),
        unknown: unknown.put(&[("If-Match", &never)]),
        exists: exists.put(&[("If-None-Match", "*")]),
        new: nothing,
    }
}

/// A client that changes one member of what it read and knows nothing of the others.
fn can_be_written_back(place: Place) {
    let Some(pointer) = place.kind.number_pointer() else { return };
    let (_, member) = pointer.rsplit_once('/').expect("a pointer");
    place.create("returned", 1234).expect("a new document");
    let read = settled(place, "returned");
    assert!(read.text().contains(&format!("\"{member}\":")), "{}", read.text());
    let content = read.text().replacen("1234", "5678", 1);
    let condition = read.value("etag").map(|tag| ("If-Match", tag));
    let condition: Vec<_> = condition.into_iter().collect();
    let target = place.kind.target("returned");
    let status = place.write("PUT", &target, &condition, content.as_bytes()).expect("an answer");
    assert!(status < 300, "{status}");
    let read = settled(place, "returned");
    assert_eq!(place.kind.number(&read.content), Some(5678), "{}", read.text());
}

fn answers_as_the_table_says(kind: Kind) {
    let row = TABLE.iter().find(|row| row.kind == kind).expect("each kind has a row");
    let began = Instant::now();
    let server = Server::start(kind).expect("a running server");
    println!("{} started in {:?}", kind.name(), began.elapsed());
    assert_eq!(measured(server.place()), *row);
    can_be_written_back(server.place());
    // What the harness says of it is what the table says.
    assert_eq!(kind.creates(), row.new < 300);
    assert_eq!(kind.ignores_conditions(), row.stale < 300);
    assert_eq!(kind.requires_conditions(), row.plain == 428);
}

#[test]
fn every_kind_has_a_row() {
    assert_eq!(TABLE.map(|row| row.kind), Kind::ALL);
}

macro_rules! kinds {
    ($($name:ident: $kind:expr;)*) => {$(
        #[test]
        fn $name() {
            answers_as_the_table_says($kind);
        }
    )*};
}

kinds! {
    nginx_dav: Kind::NginxDav;
    apache_dav: Kind::ApacheDav;
    lighttpd: Kind::Lighttpd;
    wsgidav: Kind::WsgiDav;
    radicale: Kind::Radicale;
    kinto: Kind::Kinto;
    django: Kind::Django;
    flask_smorest: Kind::FlaskSmorest;
    flask: Kind::Flask;
    json_server: Kind::JsonServer;
    http_server: Kind::HttpServer;
}
