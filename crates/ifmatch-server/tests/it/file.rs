//! Configuration files: what is told of them, and that everything can be set.

use http::{HeaderName, HeaderValue, Method};
use ifmatch_core::{Mode, StaleStatus, Star};
use ifmatch_gateway::Settings;
use ifmatch_gateway::settings::{
    Bounds, DigestSource, Evaluate, HostField, Identity, Origin, RouteSettings, Times, To, Writers,
};
use ifmatch_server::file::{self, AdminSetting, AuditSettings, Diagnostics, File, Level};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SECRET: &str = "hush-hush";

fn environment(name: &str) -> Option<String> {
    match name {
        "TOKEN" => Some(format!("Bearer {SECRET}")),
        "SECRET" => Some(SECRET.to_owned()),
        "PORT" => Some("3000".to_owned()),
        "LINE" => Some("a\nb".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<File, Diagnostics> {
    file::parse_with("ifmatch.toml", text, &environment)
}

/// What is told of a file, good or bad.
fn told(text: &str) -> Diagnostics {
    parse(text).map_or_else(|wrong| wrong, |file| file.warnings)
}

/// Each `NAME.toml` in the folder is told about as in `NAME.txt`. `UPDATE_GOLDEN=1` writes the texts anew.
#[test]
fn what_is_told_of_wrong_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    assert!(files.len() > 10);
    let mut wrong = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let found = told(&text).plain();
        assert!(!found.contains(SECRET), "{}", path.display());
        assert!(found.lines().all(|line| line.chars().count() <= 80), "{}\n{found}", path.display());
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}: expected\n{expected}\nfound\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn places_are_lines_and_characters() {
    let found = told("# ö\n[gateway]\nmode = \"öö\" # x\n  stat = \"é\"\n");
    let places: Vec<_> = found.iter().map(|d| (d.line, d.column)).collect();
    assert_eq!(places, [(Some(3), Some(8)), (Some(4), Some(3))]);
    assert_eq!(found.iter().nth(1).unwrap().suggestion.as_deref(), Some("state"));
    assert!(found.colored().contains('\u{1b}') && !found.plain().contains('\u{1b}'));
    assert_eq!(found.errors(), 2);
}

#[test]
fn values_of_the_environment_are_used_and_never_shown() {
    let text = "[gateway]\nupstream = \"http://h:${PORT}\"\n[[route]]\nname = \"a\"\nmatch = \"/a\"\n\
                check_authorization = \"${TOKEN}\"\n";
    let file = parse(text).unwrap();
    assert!(file.warnings.is_empty());
    assert_eq!(file.settings().unwrap().upstream, Origin { host: "h".into(), port: 3000 });
    let value = file.routes[0].check_authorization.clone().unwrap();
    assert_eq!(value, HeaderValue::from_static("Bearer hush-hush"));
    assert!(!format!("{:?}", file.routes).contains(SECRET));
    // Wherever the value is wrong it is not repeated.
    let keys =
        ["name", "match", "to", "mode", "digest", "turn", "allow_star", "stale_status", "cache", "check_max"];
    for key in keys.into_iter().chain(["content_bytes_max", "read_back", "methods", "identity", "upgrade"]) {
        for value in ["\"/{${SECRET}\"", "\"${SECRET} \\u0001\"", "[\"${SECRET}\\n\"]", "\"${LINE}\""] {
            let found = told(&format!("[[route]]\n{key} = {value}\n"));
            assert!(found.errors() > 0, "{key} = {value}");
            assert!(
                !found.plain().contains(SECRET) && !format!("{found:?}").contains(SECRET),
                "{key} = {value}"
            );
        }
    }
    for key in ["listen", "admin", "upstream", "state", "mode", "host", "cors_origins"] {
        let found = told(&format!("[gateway]\n{key} = \"://${{SECRET}}/\\u0000\"\n"));
        assert!(found.errors() > 0 && !format!("{found:?}").contains(SECRET), "{key}");
    }
    // Nor one that is written in the file.
    let found =
        told("[[route]]\nname = \"a\"\nmatch = \"/a\"\ncheck_authorization = \"Bearer hush-hush\" x\n");
    assert!(found.errors() > 0 && !format!("{found:?}").contains(SECRET));
}

const ALL: &str = r#"
version = 1

[gateway]
listen = "[::1]:1"
admin = "off"
data = "/data"
workers = 3
connections_max = 44
cors_origins = ["https://app.example", "*"]
insecure_public = true
upstream = "http://api.example:81"
state = "/state"
mode = "warn"
host = "upstream"
counters = 2048

[limits]
content_bytes_max = "1 MiB"
content_bytes_total_max = "2 MiB"
digest_bytes_max = 1001
digest_bytes_total_max = 1_000_002
answer_bytes_max = "3 KiB"
upstream_connections_max = 4
in_flight_max = 5
variants_max = 6

[times]
connect_max = "1ms"
check_max = "2s"
answer_max = "3m"
idle_max = "4h"
late_write_max = "5 s"
keep_idle_max = "6s"
content_idle_max = "7s"
content_time_max = "8s"

[audit]
enabled = true
path = "/audit"
file_bytes_max = "1 GiB"
files_max = 7

[[route]]
name = "all"
match = "/v1/orders/{id}/lines/{line}"
to = "upstream"
mode = "enforce"
evaluate = "gateway"
methods = ["PUT", "MOVE", "POST"]
writers = "any"
digest = "json:/meta/ver~1sion"
turn = "/v1/orders/{id}"
identity = ["query:id", "host", "principal", "header:X-Tenant", "cookie:sid"]
allow_star = "with-reason"
stale_status = 409
cache = "keep"
read_back = true
method_override = true
check_authorization = "Basic ${SECRET}"
upgrade = ["WebSocket", "x/2"]
content_bytes_max = 11
digest_bytes_max = 12
check_max = "13s"
answer_max = "14s"
late_write_max = "15s"
"#;

/// Written without `..`, so that a setting that is added has to be thought of here.
#[test]
fn everything_can_be_set() {
    let file = parse(ALL).unwrap_or_else(|wrong| panic!("{wrong}"));
    let seconds = Duration::from_secs;
    let Settings2 { upstream, state, mode, host, counters, times, bounds } = split(&file);
    assert_eq!((upstream.host.as_str(), upstream.port, state), ("api.example", 81, PathBuf::from("/state")));
    assert_eq!((mode, host, counters), (Mode::Warn, HostField::Upstream, 2048));
    let expected = Times {
        connect_max: Duration::from_millis(1),
        check_max: seconds(2),
        answer_max: seconds(180),
        idle_max: seconds(4 * 3600),
        late_write_max: seconds(5),
        keep_idle_max: seconds(6),
    };
    assert_eq!(times, expected);
    let expected = Bounds {
        digest_bytes_max: 1001,
        digest_bytes_total_max: 1_000_002,
        answer_bytes_max: 3072,
        connections_max: 4,
        in_flight_max: 5,
        variants_max: 6,
    };
    assert_eq!(bounds, expected);
    let mut authorization = HeaderValue::from_static("Basic hush-hush");
    authorization.set_sensitive(true);
    let expected = RouteSettings {
        name: "all".into(),
        template: "/v1/orders/{id}/lines/{line}".into(),
        to: To::Upstream,
        mode: Some(Mode::Enforce),
        evaluate: Evaluate::Gateway,
        methods: Some(vec![Method::PUT, Method::from_bytes(b"MOVE").unwrap(), Method::POST]),
        writers: Writers::Any,
        digest: DigestSource::Json("/meta/ver~1sion".into()),
        turn: Some("/v1/orders/{id}".into()),
        identity: vec![
            Identity::Query("id".into()),
            Identity::Host,
            Identity::Principal,
            Identity::Header(HeaderName::from_static("x-tenant")),
            Identity::Cookie("sid".into()),
        ],
        star: Star::WithReason,
        stale_status: StaleStatus::Conflict,
        keep_cache: true,
        read_back: true,
        method_override: true,
        check_authorization: Some(authorization),
        upgrade: vec!["websocket".into(), "x/2".into()],
        content_bytes_max: Some(11),
        digest_bytes_max: Some(12),
        check_max: Some(seconds(13)),
        answer_max: Some(seconds(14)),
        late_write_max: Some(seconds(15)),
    };
    assert_eq!(file.routes, [expected]);
    let expected = AuditSettings {
        enabled: Some(true),
        path: Some("/audit".into()),
        file_bytes_max: Some(1 << 30),
        files_max: Some(7),
    };
    assert_eq!(file.audit, expected);
    the_server_s(&file);
}

fn the_server_s(file: &File) {
    assert_eq!(file.listen, Some("[::1]:1".parse().unwrap()));
    assert_eq!(file.admin, Some(AdminSetting::Off));
    assert_eq!(file.data, Some("/data".into()));
    assert_eq!((file.workers, file.connections_max), (Some(3), Some(44)));
    assert_eq!(file.cors_origins, Some(vec!["https://app.example".to_owned(), "*".to_owned()]));
    assert_eq!(file.insecure_public, Some(true));
    assert_eq!((file.content_bytes_max, file.content_bytes_total_max), (Some(1 << 20), Some(2 << 20)));
    assert_eq!(file.content_idle_max, Some(Duration::from_secs(7)));
    assert_eq!(file.content_time_max, Some(Duration::from_secs(8)));
}

/// The gateway's settings but the routes, without `..`.
struct Settings2 {
    upstream: Origin,
    state: PathBuf,
    mode: Mode,
    host: HostField,
    counters: u32,
    times: Times,
    bounds: Bounds,
}

fn split(file: &File) -> Settings2 {
    let Settings { upstream, state, mode, routes, host, counters, times, bounds } = file.settings().unwrap();
    assert_eq!(routes, file.routes);
    Settings2 { upstream, state, mode, host, counters, times, bounds }
}

#[test]
fn the_other_words_mean_what_they_say() {
    let with = |line: &str| {
        let text =
            format!("[gateway]\ndata = \"d\"\n[[route]]\nname = \"a\"\nmatch = \"/a/{{*b}}\"\n{line}\n");
        parse(&text).unwrap_or_else(|wrong| panic!("{wrong}")).routes.remove(0)
    };
    let default = RouteSettings::new("a", "/a/{*b}");
    for line in
        ["", "to = \"upstream\"", "evaluate = \"gateway\"", "writers = \"any\"", "digest = \"content\""]
    {
        assert_eq!(with(line), default);
    }
    for line in ["allow_star = false", "stale_status = 412", "cache = \"no-cache\"", "read_back = false"] {
        assert_eq!(with(line), default);
    }
    assert_eq!(with("to = \"store\"").to, To::Store);
    assert_eq!(with("evaluate = \"upstream\"").evaluate, Evaluate::Upstream);
    assert_eq!(with("writers = \"gateway-only\"").writers, Writers::GatewayOnly);
    assert_eq!(with("allow_star = true").star, Star::Allowed);
    assert_eq!(with("turn = \"/a/{*b}\"").turn.as_deref(), Some("/a/{*b}"));
    for (word, source) in [
        ("etag", DigestSource::Etag),
        ("last-modified", DigestSource::LastModified),
        ("none", DigestSource::None),
    ] {
        assert_eq!(with(&format!("digest = \"{word}\"")).digest, source);
    }
    for mode in [Mode::Off, Mode::Observe, Mode::Warn, Mode::Enforce] {
        assert_eq!(with(&format!("mode = \"{}\"", mode.name())).mode, Some(mode));
    }
}

#[test]
fn what_a_file_does_not_say_is_left_to_others() {
    let file = parse("").unwrap();
    assert!(file.gateway.is_none() && file.settings().is_none() && file.warnings.is_empty());
    let mut file = parse("[gateway]\nmode = \"enforce\"\n").unwrap();
    assert!(file.settings().is_none(), "without an upstream");
    // A flag is laid over it.
    file.gateway.as_mut().unwrap().upstream = Some(file::origin("http://[::1]:3000").unwrap());
    let settings = file.settings().unwrap();
    assert_eq!(settings.state, PathBuf::from("ifmatch-state/__1-3000"));
    assert_eq!((settings.mode, settings.times), (Mode::Enforce, Times::default()));
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let told = |path: &Path| file::read(path).unwrap_err();
    let missing = told(&folder.path().join("missing.toml"));
    assert!(missing.to_string().contains("cannot open"), "{missing}");
    assert_eq!(missing.iter().next().unwrap().line, None);
    assert!(told(folder.path()).to_string().contains("cannot read"));
    let path = folder.path().join("ifmatch.toml");
    std::fs::write(&path, b"version = 1\n# \xff\n").unwrap();
    assert!(told(&path).to_string().contains("line 2"));
    std::fs::write(&path, vec![b'\n'; file::FILE_BYTES_MAX + 1]).unwrap();
    assert!(told(&path).to_string().contains("1 MiB"));
    std::fs::write(&path, vec![b'\n'; file::FILE_BYTES_MAX]).unwrap();
    assert!(file::read(&path).is_ok());
}

#[test]
fn there_is_a_bound_on_everything() {
    let routes = |count: usize| -> String {
        (0..count).map(|n| format!("[[route]]\nname = \"r{n}\"\nmatch = \"/r{n}\"\n")).collect()
    };
    assert_eq!(parse(&routes(file::ROUTES_MAX)).unwrap().routes.len(), file::ROUTES_MAX);
    assert_eq!(told(&routes(file::ROUTES_MAX + 1)).errors(), 1);
    let unknown: String = (0..50_000).map(|n| format!("key{n} = 1\n")).collect();
    let found = told(&unknown);
    assert_eq!((found.errors(), found.more()), (file::DIAGNOSTICS_MAX, 50_000 - file::DIAGNOSTICS_MAX));
    assert!(found.plain().ends_with(&format!("and {} more\n", found.more())));
    // Errors are not crowded out by what matters less.
    let notes: String = (0..100)
        .map(|n| format!("[[route]]\nname = \"r{n}\"\nmatch = \"/r{n}\"\nmethods = [\"POST\"]\n"))
        .collect();
    let found = told(&format!("{notes}wrong = 1\n"));
    assert_eq!((found.errors(), found.more()), (1, 37));
    // A file that is something else.
    for text in ["{ ".repeat(10_000), "[".repeat(100_000), "<a>\n".repeat(10_000), "a = [\n".repeat(10_000)] {
        assert!(told(&text).errors() <= file::DIAGNOSTICS_MAX);
    }
}

#[test]
fn no_text_makes_it_panic() {
    const PIECES: [&str; 44] = [
        "[gateway]\n",
        "[[route]]\n",
        "[route]\n",
        "[limits]\n",
        "[times]\n",
        "[audit]\n",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'",
        "\"\"\"",
        "=",
        " = ",
        ".",
        ",",
        "#",
        "\n",
        "\r\n",
        "\t",
        "${",
        "${TOKEN}",
        "$${",
        "name",
        "match",
        "turn",
        "mode",
        "upstream",
        "check_authorization",
        "methods",
        "identity",
        "ö",
        "\u{1b}",
        "\u{feff}",
        "\u{202e}",
        "0x",
        "-1",
        "99999999999999999999",
        "1.5",
        "true",
        "2026-01-01",
        "/a/{b}",
        "\\u0000",
    ];
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for round in 0..4000 {
        let mut text = if round % 2 == 0 { ALL.to_owned() } else { String::new() };
        for _ in 0..1 + random.below(12) {
            let piece = PIECES[random.below(PIECES.len())];
            let (from, to) = (random.boundary(&text), random.boundary(&text));
            match random.below(3) {
                0 => text.insert_str(from, piece),
                1 => {
                    let (from, to) = (from.min(to), from.max(to));
                    let to = text.floor_char_boundary(to.min(from + 20));
                    text.replace_range(from..to.max(from), piece);
                }
                _ => text.truncate(text.floor_char_boundary(from.max(text.len() / 2))),
            }
        }
        let found = told(&text);
        assert!(!found.plain().contains(SECRET) && !found.colored().contains(SECRET), "{text}");
        assert!(found.iter().all(|d| !d.message.contains('\n') && d.line.is_some()), "{text}");
    }
}

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn boundary(&mut self, text: &str) -> usize {
        let at = self.below(text.len() + 1);
        text.floor_char_boundary(at)
    }
}

#[test]
fn the_page_about_it_is_right() {
    let page = include_str!("../../../../docs/src/configuration.md");
    let examples: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 3);
    for example in examples {
        if let Err(wrong) = parse(example) {
            panic!("{wrong}\n{example}");
        }
    }
    // It tells every key, and the defaults as they are.
    for line in ALL.lines().filter(|line| line.contains(" = ")) {
        let key = line.split(" = ").next().unwrap();
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
    let default = Bounds::default();
    let sizes: BTreeMap<&str, usize> = [
        ("digest_bytes_max", default.digest_bytes_max),
        ("digest_bytes_total_max", default.digest_bytes_total_max),
        ("answer_bytes_max", default.answer_bytes_max),
    ]
    .into();
    for (key, bytes) in sizes {
        assert!(page.contains(&format!("| `{key}` | `\"{}\"`", file::shown_size(bytes as u64))), "{key}");
    }
    let times = Times::default();
    for (key, time) in [
        ("connect_max", times.connect_max),
        ("check_max", times.check_max),
        ("answer_max", times.answer_max),
        ("idle_max", times.idle_max),
        ("late_write_max", times.late_write_max),
        ("keep_idle_max", times.keep_idle_max),
    ] {
        assert!(page.contains(&format!("| `{key}` | `\"{}\"`", file::shown_duration(time))), "{key}");
    }
}

#[test]
fn levels_have_names() {
    assert_eq!([Level::Error, Level::Warning, Level::Note].map(Level::name), ["error", "warning", "note"]);
}

#[test]
fn where_only_the_count_tells_versions_apart_it_is_said_what_does_not_belong_there() {
    let upstream = Origin { host: "127.0.0.1".into(), port: 1 };
    let settings = Settings { mode: Mode::Enforce, ..Settings::new(upstream, "state".into()) };
    let said = |route: RouteSettings| file::route_remarks(&route, &settings).join(" ");
    let any = RouteSettings::new("a", "/a/{*b}");
    let only = RouteSettings { writers: Writers::GatewayOnly, ..any.clone() };
    assert!(said(only.clone()).contains("no listing") && !said(only).contains("no tag"));
    assert!(!said(any.clone()).contains("no listing") && said(any).contains("no tag"));
}
