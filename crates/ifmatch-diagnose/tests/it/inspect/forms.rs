//! The forms of a report say the same.

use super::api::{Reply, run, serve, url};
use ifmatch_diagnose::inspect::{ARTICLES, Inspection, Plan};
use ifmatch_diagnose::report::{Report, json, schema};

/// With a finding, a warning, and text that tries to be markup.
fn report() -> Inspection {
    let upstream = serve(|request, _, reply| {
        let reply = reply.with("Server", "<b>\u{9b}31m`x`");
        match request.value("accept-encoding") {
            Some("gzip") => reply.coded("W/\"7\""),
            _ => reply,
        }
    });
    let mut plan = Plan::new(url(&upstream));
    plan.list = Some(url(&upstream));
    run(&plan).unwrap()
}

/// Without styles.
fn unstyled(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn as_text() {
    let report = report();
    let text = unstyled(&report.text(80));
    let expected = "error[V004]: compression makes the tag weak, so If-Match can never match
  --> GET with accept-encoding: gzip
   |
   | content-encoding: gzip
   | etag: W/\"7\"
   |       ^^ without it: \"7\"; a weak tag never matches in If-Match
   |
   = cause: A proxy that compresses on the fly changes the bytes, so it may not
            leave the tag strong:";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("  BAD   V004  gzip makes the tag weak"), "{text}");
    assert!(text.contains("= more: ifmatch explain V004"), "{text}");
    assert!(
        text.replace('\n', " ")
            .contains("A client that accepts compression, as every browser does, cannot save here."),
        "{text}"
    );
    assert!(!text.contains('\u{9b}'), "{text}");
    let is_long = |line: &&str| line.chars().count() > 80 && !line.contains("= see it:");
    assert_eq!(text.lines().filter(is_long).collect::<Vec<_>>(), [""; 0]);
    assert!(text.contains("requests were sent."));
}

#[test]
fn in_a_narrow_terminal() {
    for width in 40..80 {
        let text = unstyled(&report_once().text(width));
        assert!(text.contains("V004"), "{text}");
    }
}

/// One run for many widths.
fn report_once() -> &'static Inspection {
    static REPORT: std::sync::OnceLock<Inspection> = std::sync::OnceLock::new();
    REPORT.get_or_init(report)
}

#[test]
fn as_json_with_a_schema() {
    let report = report();
    let document = json(&report);
    assert_eq!(document["schema"], "/.well-known/ifmatch/schema/inspect-1.json");
    assert_eq!(document["bad"], 1);
    let finding = &document["findings"][0];
    assert_eq!((finding["code"].as_str(), finding["severity"].as_str()), (Some("V004"), Some("bad")));
    assert!(finding["curl"].as_str().unwrap().starts_with("curl -sD - -o /dev/null http"));
    let schema = schema::<Inspection>();
    let members: Vec<_> = document.as_object().unwrap().keys().collect();
    let known: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
    assert!(members.iter().all(|member| known.contains(member)), "{members:?} {known:?}");
    for required in schema["required"].as_array().unwrap() {
        assert!(document.get(required.as_str().unwrap()).is_some(), "{required}");
    }
}

#[test]
fn as_markdown_in_which_nothing_of_a_server_is_markup() {
    let upstream = serve(|request, _, reply| match request.method.as_str() {
        "GET" => reply.tagged("<script>|*"),
        _ => Reply { status: 405, ..reply },
    });
    let report = run(&Plan::new(url(&upstream))).unwrap();
    let text = report.markdown();
    assert!(text.contains("| BAD | ETag is no entity-tag | &lt;script>\\|\\* | V002 |"), "{text}");
    assert!(text.contains("## V002: ETag is not one entity-tag"), "{text}");
}

#[test]
fn as_test_cases() {
    let suite = report().junit().to_string();
    assert!(suite.contains("<testcase name=\"V004 gzip makes the tag weak\""), "{suite}");
    assert!(suite.contains("failures=\"1\""), "{suite}");
}

#[test]
fn articles_are_complete() {
    for (index, article) in ARTICLES.iter().enumerate() {
        assert_eq!(article.code, format!("V{:03}", index + 1));
        for text in [article.title, article.means, article.cause, article.fix] {
            assert!(
                !text.is_empty() && !text.contains("  ") && !text.contains('\n'),
                "{}: {text}",
                article.code
            );
        }
        assert!(!article.title.ends_with('.'), "{}", article.code);
        assert!(article.means.ends_with(['.']), "{}", article.code);
        assert!(article.fix.len() < 330, "{}: {}", article.code, article.fix.len());
    }
}

#[test]
fn every_code_is_in_the_documentation() {
    let page = include_str!("../../../../../docs/src/inspect.md");
    for article in ARTICLES {
        let row = format!("| {} | {} | {} |\n", article.code, article.name, article.title);
        assert!(page.contains(&row), "docs/src/inspect.md lacks {row}");
    }
}
