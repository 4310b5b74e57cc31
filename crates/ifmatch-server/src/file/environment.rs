//! `${NAME}` in texts stands for the environment variable NAME.

/// Where variables are looked up.
pub type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// What a text may hold.
pub(super) const HELP: &str =
    "`${NAME}` stands for the environment variable NAME; write `$${` for `${` itself.";

/// The environment of this process. A variable that is no UTF-8 counts as not set.
pub(super) fn of_process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The text with references replaced. What was put in is not looked at again.
///
/// # Errors
/// The name that cannot be replaced, and why.
pub(super) fn substituted<'t>(
    text: &'t str,
    environment: &Environment<'_>,
) -> Result<String, (&'t str, &'static str)> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(before);
        let Some(end) = rest[at..].find('}').map(|end| at + end) else {
            return Err(("", "`${` without its `}`"));
        };
        let name = &rest[at + 2..end];
        if !is_name(name) {
            return Err((name, "not the name of a variable"));
        }
        out.push_str(&environment(name).ok_or((name, "this variable is not set"))?);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let environment = |name: &str| (name == "A").then(|| "${A}".to_owned());
        let read = |text| substituted(text, &environment).map_err(|(name, _)| name.to_owned());
        assert_eq!(read("x${A}y${A}"), Ok("x${A}y${A}".to_owned()));
        assert_eq!(read("$${A} $A {A} $"), Ok("${A} $A {A} $".to_owned()));
        for (text, name) in [("${B}", "B"), ("${", ""), ("${}", ""), ("${a b}", "a b"), ("${1}", "1")] {
            assert_eq!(read(text), Err(name.to_owned()), "{text}");
        }
    }
}
