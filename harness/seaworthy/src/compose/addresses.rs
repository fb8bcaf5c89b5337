//! Which words of a text are the address of another service: `http://orders:8080/x`, `user@db:5432`, `cache:6379`, and
//! `DB_HOST` with `DB_PORT`.

use std::collections::BTreeMap;
use std::ops::Range;

use super::variables::Text;

/// The address of a service within a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Where it stands.
    pub(super) range: Range<usize>,
    /// Whose it is.
    pub(super) service: String,
    /// On which port; a scheme's own where the text says none.
    pub(super) port: u16,
    /// What stands before `://`, in lower case.
    pub(super) scheme: Option<String>,
    /// Whether the range begins at the scheme, which is `http` then, and nothing stands between it and the host.
    pub(super) is_url: bool,
}

/// The port that a scheme means when none is said.
fn port_of(scheme: &str) -> Option<u16> {
    // `jdbc:postgresql`, `postgresql+asyncpg`: the word that counts.
    let words = scheme.split(['+', ':']);
    words.clone().find_map(|word| {
        Some(match word {
            "http" | "ws" => 80,
            "https" | "wss" => 443,
            "postgres" | "postgresql" => 5432,
            "mysql" | "mariadb" => 3306,
            "redis" => 6379,
            "amqp" => 5672,
            "mongodb" => 27017,
            "nats" => 4222,
            _ => return None,
        })
    })
}

/// All addresses in a text, in order. `hosts` are the names by which services are reached.
pub(super) fn find(text: &str, hosts: &BTreeMap<&str, &str>) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find(is_host_part).map(|at| from + at) {
        let end = text[start..].find(|c| !is_host_part(c)).map_or(text.len(), |at| start + at);
        from = end;
        let Some(service) = hosts.get(&text[start..end]) else { continue };
        let before = &text[..start];
        let scheme = scheme_before(before);
        // Behind a plain `/` stands a path, behind `=` or a comma another value.
        let stands_alone = before.chars().next_back().is_none_or(|c| {
            c.is_whitespace() || matches!(c, ',' | ';' | '=' | '(' | '[' | '{' | '"' | '\'' | '@')
        });
        let is_user = text[end..]
            .split(|c: char| c.is_whitespace() || matches!(c, '/' | ',' | '?' | '#'))
            .next()
            .is_some_and(|rest| rest.contains('@'));
        if is_user || (scheme.is_none() && !stands_alone) {
            continue;
        }
        let said = port_behind(&text[end..]);
        let Some((port, length)) = said.or_else(|| Some((port_of(scheme.as_ref()?.0.as_str())?, 0))) else {
            continue;
        };
        let is_url =
            scheme.as_ref().is_some_and(|(scheme, at)| scheme == "http" && at + "http://".len() == start);
        let start = match &scheme {
            Some((_, at)) if is_url => *at,
            _ => start,
        };
        from = end + length;
        found.push(Address {
            range: start..from,
            service: (*service).to_owned(),
            port,
            scheme: scheme.map(|(scheme, _)| scheme),
            is_url,
        });
    }
    found
}

fn is_host_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// The scheme of the URL whose host follows this text, and where it begins.
fn scheme_before(before: &str) -> Option<(String, usize)> {
    let at = before.rfind("://")?;
    // Between scheme and host there can only be `user:password@`.
    let between = &before[at + 3..];
    let is_user =
        between.ends_with('@') && !between.contains(|c: char| c.is_whitespace() || matches!(c, '/' | ','));
    if !between.is_empty() && !is_user {
        return None;
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | ':');
    let start =
        before[..at].char_indices().rev().find(|(_, c)| !is_part(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    let scheme = before[start..at].to_ascii_lowercase();
    (!scheme.is_empty()).then_some((scheme, start))
}

/// A `:PORT` at the start of a text, and how long it is.
fn port_behind(text: &str) -> Option<(u16, usize)> {
    let digits = text.strip_prefix(':')?;
    let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if digits[length..].starts_with(is_host_part) {
        return None;
    }
    let port = digits[..length].parse().ok().filter(|port| *port != 0)?;
    Some((port, length + 1))
}

/// A service whose host and port are told in two variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    /// The variable that holds the host.
    pub(super) host: String,
    /// The variable that holds the port; nothing if there is none.
    pub(super) port: Option<(String, u16)>,
    /// Whose address it is.
    pub(super) service: String,
}

/// The variables that hold nothing but the name of a service, with those that hold its port.
pub(super) fn pairs(env: &BTreeMap<String, Text>, hosts: &BTreeMap<&str, &str>) -> Vec<Pair> {
    const ENDS: [&str; 5] = ["HOSTNAME", "HOST", "SERVER", "ADDRESS", "ADDR"];
    let mut pairs = Vec::new();
    for (name, value) in env {
        let Some(service) = hosts.get(value.whole.as_str()) else { continue };
        let upper = name.to_ascii_uppercase();
        let Some(end) = ENDS.into_iter().find(|end| upper.ends_with(end)) else { continue };
        let stem = &upper[..upper.len() - end.len()];
        let port = env.iter().find_map(|(name, value)| {
            let name_fits = name.to_ascii_uppercase().strip_suffix("PORT") == Some(stem);
            let number = value.whole.parse().ok().filter(|port: &u16| *port != 0);
            number.filter(|_| name_fits).map(|number| (name.clone(), number))
        });
        pairs.push(Pair { host: name.clone(), port, service: (*service).to_owned() });
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hosts() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([("orders", "orders"), ("db", "db"), ("database", "db"), ("a.b", "orders")])
    }

    fn shown(text: &str) -> String {
        let show = |address: Address| {
            let scheme = address.scheme.unwrap_or_else(|| "-".to_owned());
            let url = if address.is_url { "url " } else { "" };
            format!("{url}{}={}:{} {scheme}", &text[address.range], address.service, address.port)
        };
        find(text, &hosts()).into_iter().map(show).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn addresses_are_found_in_urls_and_beside_ports() {
        for (text, expected) in [
            ("http://orders:8080/x", "url http://orders:8080=orders:8080 http"),
            ("http://orders/x", "url http://orders=orders:80 http"),
            ("http://me:pw@orders:8080", "orders:8080=orders:8080 http"),
            ("https://orders", "orders=orders:443 https"),
            ("postgres://u:p@db:5432/orders", "db:5432=db:5432 postgres"),
            ("postgres://orders:shop@db/orders", "db=db:5432 postgres"),
            ("jdbc:postgresql://database/x", "database=db:5432 jdbc:postgresql"),
            ("postgresql+asyncpg://u@db/x", "db=db:5432 postgresql+asyncpg"),
            ("u:p@tcp(db:3306)/x", "db:3306=db:3306 -"),
            ("orders:1,db:2", "orders:1=orders:1 -; db:2=db:2 -"),
            ("amqp://orders:1,db:2", "orders:1=orders:1 amqp; db:2=db:2 -"),
            ("host=db:5432 user=x", "db:5432=db:5432 -"),
            ("http://a.b:9/", "url http://a.b:9=orders:9 http"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_an_address_is_none() {
        for text in [
            "orders",
            "the db",
            "db:",
            "db:0",
            "db:99999",
            "db:5x",
            "http://elsewhere:80/orders",
            "x/db:80",
            "orders.db:80",
            "http://elsewhere/?to=db",
            "mydb:80",
            "db-2:80",
            "thing://db",
        ] {
            assert_eq!(shown(text), "", "{text}");
        }
    }

    #[test]
    fn a_host_and_its_port_may_stand_in_two_variables() {
        let env =
            [("DB_HOST", "database"), ("DB_PORT", "5432"), ("NAME", "orders"), ("CACHE_HOST", "orders")];
        let env = env.map(|(name, value)| (name.to_owned(), Text::plain(value))).into();
        let found = pairs(&env, &hosts());
        let pair = |host: &str, port: Option<(&str, u16)>, service: &str| Pair {
            host: host.to_owned(),
            port: port.map(|(name, number)| (name.to_owned(), number)),
            service: service.to_owned(),
        };
        assert_eq!(
            found,
            [pair("CACHE_HOST", None, "orders"), pair("DB_HOST", Some(("DB_PORT", 5432)), "db")]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_looked_through(text in "(orders|db|http|://|:|[0-9]{1,3}|@|/|,|é| |x){0,12}") {
            let mut last = 0;
            for address in find(&text, &hosts()) {
                prop_assert!(last <= address.range.start && address.range.start < address.range.end);
                prop_assert!(text.get(address.range.clone()).is_some());
                last = address.range.end;
            }
        }
    }
}
