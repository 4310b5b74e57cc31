//! Which keys there are, and which one was meant.

/// A table of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Table {
    Top,
    Gateway,
    Limits,
    Times,
    Audit,
    Route,
}

impl Table {
    /// The tables below the top, the ones that a key more probably belongs in first.
    const BELOW: [Self; 5] = [Self::Gateway, Self::Limits, Self::Times, Self::Audit, Self::Route];

    /// As in messages.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Self::Top => "the top of the file",
            Self::Gateway => "[gateway]",
            Self::Limits => "[limits]",
            Self::Times => "[times]",
            Self::Audit => "[audit]",
            Self::Route => "[[route]]",
        }
    }

    /// Its key at the top of the file.
    pub(super) fn name(self) -> &'static str {
        self.shown().trim_matches(['[', ']'])
    }

    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Top => &["version", "gateway", "limits", "times", "audit", "route"],
            Self::Gateway => &[
                "listen",
                "admin",
                "data",
                "workers",
                "connections_max",
                "cors_origins",
                "insecure_public",
                "upstream",
                "state",
                "mode",
                "host",
                "counters",
            ],
            Self::Limits => &[
                "content_bytes_max",
                "content_bytes_total_max",
                "digest_bytes_max",
                "digest_bytes_total_max",
                "answer_bytes_max",
                "upstream_connections_max",
                "in_flight_max",
                "variants_max",
            ],
            Self::Times => &[
                "connect_max",
                "check_max",
                "answer_max",
                "idle_max",
                "late_write_max",
                "keep_idle_max",
                "content_idle_max",
                "content_time_max",
            ],
            Self::Audit => &["enabled", "path", "file_bytes_max", "files_max"],
            Self::Route => &[
                "name",
                "match",
                "to",
                "mode",
                "evaluate",
                "methods",
                "writers",
                "digest",
                "turn",
                "identity",
                "allow_star",
                "stale_status",
                "cache",
                "read_back",
                "method_override",
                "check_authorization",
                "upgrade",
                "content_bytes_max",
                "digest_bytes_max",
                "check_max",
                "answer_max",
                "late_write_max",
            ],
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::BELOW.into_iter().find(|table| table.name() == name)
    }
}

/// What somebody meant who wrote a key that is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meant {
    /// This key of the same table.
    Key(&'static str),
    /// This key, which stands in another table.
    In(Table, &'static str),
    /// A table.
    Table(Table),
    /// Nobody knows.
    Nothing,
}

/// What other programs call it.
const ALIASES: [(Table, &str, &str); 15] = [
    (Table::Top, "routes", "route"),
    (Table::Top, "server", "gateway"),
    (Table::Top, "limit", "limits"),
    (Table::Top, "timeouts", "times"),
    (Table::Gateway, "bind", "listen"),
    (Table::Gateway, "address", "listen"),
    (Table::Gateway, "origin", "upstream"),
    (Table::Gateway, "proxy_pass", "upstream"),
    (Table::Gateway, "threads", "workers"),
    (Table::Gateway, "state_dir", "state"),
    (Table::Route, "path", "match"),
    (Table::Route, "pattern", "match"),
    (Table::Route, "template", "match"),
    (Table::Route, "key", "turn"),
    (Table::Route, "validator", "digest"),
];

/// What was meant by an unknown key of a table.
pub(super) fn meant(key: &str, table: Table) -> Meant {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let own = table.keys();
    if let Some(&known) = own.iter().find(|&&known| known == key) {
        return found(table, known);
    }
    let alias = ALIASES.iter().find(|(within, other, _)| *within == table && *other == key);
    if let Some((_, _, known)) = alias {
        return found(table, known);
    }
    if table != Table::Top
        && let Some(other) = Table::named(&key)
    {
        return Meant::Table(other);
    }
    let elsewhere = || Table::BELOW.into_iter().filter(|&other| other != table);
    let exact = |other: Table| other.keys().iter().find(|&&known| known == key).map(|&known| (other, known));
    if let Some((other, known)) = elsewhere().find_map(exact) {
        return Meant::In(other, known);
    }
    if let Some(known) = longer(&key, own).or_else(|| nearest(&key, own)) {
        return found(table, known);
    }
    let near = |other: Table| nearest(&key, other.keys()).map(|known| Meant::In(other, known));
    elsewhere().find_map(near).unwrap_or(Meant::Nothing)
}

fn found(table: Table, known: &'static str) -> Meant {
    match Table::named(known) {
        Some(other) if table == Table::Top => Meant::Table(other),
        _ => Meant::Key(known),
    }
}

/// The only one among `known` that begins or ends with these words.
fn longer(words: &str, known: &[&'static str]) -> Option<&'static str> {
    let is_part = |k: &str| {
        let rest = k.strip_prefix(words).map(|rest| rest.starts_with('_'));
        rest.or_else(|| k.strip_suffix(words).map(|rest| rest.ends_with('_'))).unwrap_or(false)
    };
    let mut found = known.iter().filter(|k| !words.is_empty() && is_part(k));
    found.next().copied().filter(|_| found.next().is_none())
}

/// The one among `known` that is a slip away: one in four letters, at least one.
pub(super) fn nearest<'k>(text: &str, known: &[&'k str]) -> Option<&'k str> {
    // Nobody means a short word with a text as long as this.
    if text.len() > 64 {
        return None;
    }
    let near = known.iter().map(|&k| (strsim::damerau_levenshtein(text, k), k));
    near.filter(|(distance, k)| *distance <= (k.len() / 4).max(1) && *distance < text.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        for (key, table, expected) in [
            ("upstrem", Table::Gateway, Meant::Key("upstream")),
            ("connections-max", Table::Gateway, Meant::Key("connections_max")),
            ("in_flight", Table::Limits, Meant::Key("in_flight_max")),
            ("bytes_max", Table::Limits, Meant::Nothing),
            ("Listen", Table::Gateway, Meant::Key("listen")),
            ("upstream", Table::Top, Meant::In(Table::Gateway, "upstream")),
            ("upstream", Table::Route, Meant::In(Table::Gateway, "upstream")),
            ("content_bytes_max", Table::Gateway, Meant::In(Table::Limits, "content_bytes_max")),
            ("turn", Table::Gateway, Meant::In(Table::Route, "turn")),
            ("routes", Table::Top, Meant::Table(Table::Route)),
            ("gatway", Table::Top, Meant::Table(Table::Gateway)),
            ("times", Table::Gateway, Meant::Table(Table::Times)),
            ("path", Table::Route, Meant::Key("match")),
            ("frobnicate", Table::Route, Meant::Nothing),
            ("x", Table::Route, Meant::Nothing),
            ("", Table::Top, Meant::Nothing),
        ] {
            assert_eq!(meant(key, table), expected, "{key}");
        }
        assert_eq!(nearest(&"a".repeat(65), &["a"]), None);
    }

    #[test]
    fn aliases_name_keys_that_exist() {
        assert!(
            ALIASES.iter().all(|(table, other, known)| {
                table.keys().contains(known) && !table.keys().contains(other)
            })
        );
    }
}
