//! The cycle with curl.

use crate::Result;
use crate::run::output;
use serde_json::Value;
use std::process::Command;

/// What curl got.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    fn etag(&self) -> Result<String> {
        self.field("etag").map(str::to_owned).ok_or_else(|| format!("{} came without an ETag", self.status))
    }

    fn problem(&self, member: &str) -> Value {
        serde_json::from_str::<Value>(&self.body).map_or(Value::Null, |mut problem| problem[member].take())
    }
}

/// The whole cycle on one document that does not exist yet.
pub(super) fn cycle(curl: &str, document: &str) -> Result {
    let send = |method: &str, fields: &[&str], content: Option<&str>, status: u16| -> Result<Answer> {
        let mut command = Command::new(curl);
        command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--include"]);
        match method {
            "GET" => {}
            "HEAD" => drop(command.arg("--head")),
            _ => drop(command.args(["--request", method])),
        }
        for field in fields {
            command.args(["--header", field]);
        }
        if let Some(content) = content {
            command.args(["--header", "Content-Type: application/json", "--data-binary", content]);
        }
        let answer = answer(&output(command.arg(document))?)?;
        println!("{method:<6} {:<40} -> {}", fields.join(", "), answer.status);
        expect(answer.status == status, || format!("{method} gave {}, not {status}", answer.status))?;
        Ok(answer)
    };

    let refused = send("PUT", &[], Some(r#"{"n":0}"#), 428)?;
    expect(refused.problem("code") == "precondition_required", || refused.body.clone())?;
    expect(refused.problem("applied") == false, || refused.body.clone())?;
    send("GET", &[], None, 404)?;

    let create = ["If-None-Match: *"];
    let first = send("PUT", &create, Some(r#"{"n":1}"#), 201)?.etag()?;
    expect(send("PUT", &create, Some("{}"), 412)?.problem("code") == "already_exists", String::new)?;
    let read = send("GET", &[], None, 200)?;
    expect(read.etag()? == first && read.body == r#"{"n":1}"#, || read.body.clone())?;

    let if_match = |tag: &str| format!("If-Match: {tag}");
    let second = send("PUT", &[&if_match(&first)], Some(r#"{"n":2}"#), 204)?.etag()?;
    expect(second != first, || "two states have one tag".to_owned())?;
    let stale = send("PUT", &[&if_match(&first)], Some(r#"{"n":3}"#), 412)?;
    expect(stale.etag()? == second && stale.problem("current_etag") == second.as_str(), || {
        stale.body.clone()
    })?;
    let read = send("GET", &[], None, 200)?;
    expect(read.body == r#"{"n":2}"#, || format!("an acknowledged write was lost: {}", read.body))?;
    expect(send("HEAD", &[], None, 200)?.etag()? == second, String::new)?;
    send("GET", &[&format!("If-None-Match: {second}")], None, 304)?;

    send("DELETE", &[], None, 428)?;
    send("DELETE", &[&if_match(&first)], None, 412)?;
    send("DELETE", &[&if_match(&second)], None, 204)?;
    send("GET", &[], None, 404)?;
    let again = send("PUT", &create, Some(r#"{"n":1}"#), 201)?.etag()?;
    expect(again != first && again != second, || "a tag was used again".to_owned())
}

fn answer(printed: &str) -> Result<Answer> {
    let mut rest = printed;
    loop {
        let (head, body) = rest.split_once("\r\n\r\n").ok_or("curl printed no head")?;
        let status: u16 = head.split(' ').nth(1).and_then(|s| s.trim().parse().ok()).unwrap_or(0);
        if !(100..200).contains(&status) {
            return Ok(Answer { status, head: head.to_owned(), body: body.to_owned() });
        }
        rest = body;
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result {
    if holds { Ok(()) } else { Err(format!("curl: not as it should be {}", otherwise())) }
}
