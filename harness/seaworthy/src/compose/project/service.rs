//! One service of a Compose file.

use seaworthy_core::system::document::{Entry, Misfit, Node};

use super::super::variables::{self, Text, Variable};
use super::super::{Place, read_text};
use super::read::{Reader, wanted};
use super::{Build, ENV_FILE_LIMIT, Service, mounts};

/// Keys that say nothing a harness needs to know: how Compose shows, restarts and ends containers, or how it connects
/// them where proxies do.
const WITHOUT_EFFECT: [&str; 14] = [
    "annotations",
    "attach",
    "init",
    "labels",
    "logging",
    "networks",
    "platform",
    "profiles",
    "pull_policy",
    "restart",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "tty",
];

/// Reads a service; nothing if it belongs to a profile, which `up` does not start.
pub(super) fn read(entry: &Entry, reader: &mut Reader, place: &Place) -> Result<Option<Service>, Misfit> {
    let entries = reader.entries(&entry.value)?;
    if entries
        .iter()
        .any(|entry| entry.key == "profiles" && entry.value.items().is_some_and(|all| !all.is_empty()))
    {
        return Ok(None);
    }
    let mut service =
        Service { name: entry.key.clone(), place: entry.key_place.clone(), ..Service::default() };
    // `environment` counts for more than `env_file`, wherever the two stand.
    if let Some(files) = entries.iter().find(|entry| entry.key == "env_file") {
        env_files(&files.value, &mut service, reader, place)?;
    }
    for entry in &entries {
        key(entry, &mut service, reader)?;
    }
    if service.image.is_none() && service.build.is_none() {
        let help = "add `image` or `build`".to_owned();
        let message = format!("`{}` has neither an image nor a build", service.name);
        return Err(Misfit { message, help: Some(help), place: entry.key_place.clone() });
    }
    Ok(Some(service))
}

fn key(entry: &Entry, service: &mut Service, reader: &mut Reader) -> Result<(), Misfit> {
    let node = &entry.value;
    match entry.key.as_str() {
        "image" => service.image = Some(reader.text(node)?).filter(|image| !image.whole.trim().is_empty()),
        "build" => build(node, service, reader)?,
        "command" => service.command = words(node, reader)?,
        "environment" => {
            for (name, value) in reader.pairs(node)? {
                let value = value.unwrap_or_else(|| passed_on(&name));
                put_variable(service, name, value);
            }
        }
        "ports" => mounts::ports(node, service, reader)?,
        "expose" => mounts::expose(node, service, reader)?,
        "volumes" => mounts::volumes(node, service, reader)?,
        "depends_on" => depends_on(node, service, reader)?,
        "healthcheck" => health(node, service, reader)?,
        "container_name" | "hostname" => {
            service.aliases.insert(reader.text(node)?.whole);
        }
        "networks" => aliases(node, service, reader)?,
        "x-seaworthy" => {
            let filled = reader.filled(node)?;
            service.extension = reader.entries(&filled)?;
        }
        "extends" => {
            return Err(Misfit {
                message: "`extends` is not followed".to_owned(),
                help: Some("import what `docker compose config` prints: there it is all in one".to_owned()),
                place: entry.key_place.clone(),
            });
        }
        "env_file" => {}
        key if key.starts_with("x-") || WITHOUT_EFFECT.contains(&key) => {}
        key => service.notes.push(format!("`{key}` has no like in a system file and was left out")),
    }
    Ok(())
}

/// A variable that Compose takes from the environment that it was started in.
fn passed_on(name: &str) -> Text {
    let variable = Variable { range: 0..0, name: name.to_owned(), required: false };
    Text { whole: String::new(), variables: vec![variable] }
}

fn put_variable(service: &mut Service, name: String, value: Text) {
    let sound = !name.is_empty() && !name.contains(['=', '\0']) && !name.contains(char::is_whitespace);
    if sound && !value.whole.contains('\0') {
        service.env.insert(name, value);
    } else {
        service.notes.push(format!(
            "the variable `{}` was left out: no program could be given it",
            name.escape_debug()
        ));
    }
}

fn env_files(node: &Node, service: &mut Service, reader: &mut Reader, place: &Place) -> Result<(), Misfit> {
    let items = node.items().unwrap_or(std::slice::from_ref(node));
    for item in items {
        let (mut path, mut required) = (String::new(), true);
        if item.text().is_some() {
            path = reader.whole(item)?;
        } else {
            for entry in reader.entries(item)? {
                match entry.key.as_str() {
                    "path" => path = reader.whole(&entry.value)?,
                    "required" => required = reader.truth(&entry.value)?,
                    _ => {}
                }
            }
        }
        let refused = |message: String| Misfit { message, help: None, place: item.place.clone() };
        let text = match read_text(&place.open(&path), ENV_FILE_LIMIT) {
            Ok(text) => text,
            Err(error) if !required && error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(refused(format!("could not read `{path}`: {error}"))),
        };
        let values = variables::env_file(&text)
            .map_err(|line| refused(format!("line {line} of `{path}` is not `NAME=value`")))?;
        for (name, value) in values {
            put_variable(service, name, Text::plain(&value));
        }
    }
    Ok(())
}

fn build(node: &Node, service: &mut Service, reader: &mut Reader) -> Result<(), Misfit> {
    if node.text().is_some() {
        service.build = Some(Build { context: reader.whole(node)?, ..Build::default() });
        return Ok(());
    }
    let mut build = Build { context: ".".to_owned(), ..Build::default() };
    for entry in reader.entries(node)? {
        match entry.key.as_str() {
            "context" => build.context = reader.whole(&entry.value)?,
            "dockerfile" => build.dockerfile = Some(reader.whole(&entry.value)?),
            "args" => {
                for (name, value) in reader.pairs(&entry.value)? {
                    build.args.insert(name, value.map(|value| value.whole).unwrap_or_default());
                }
            }
            "tags" | "labels" | "cache_from" | "cache_to" | "network" | "pull" => {}
            key if key.starts_with("x-") => {}
            key => service.notes.push(format!("`build.{key}` has no like in a system file and was left out")),
        }
    }
    if build.context.contains("://") || build.context.starts_with("git@") {
        service.notes.push(format!("its build context `{}` is no folder and was left out", build.context));
        if service.image.is_none() {
            service.image = Some(Text::plain(&service.name));
        }
    } else {
        service.build = Some(build);
    }
    Ok(())
}

fn depends_on(node: &Node, service: &mut Service, reader: &mut Reader) -> Result<(), Misfit> {
    if let Some(items) = node.items() {
        for item in items {
            service.after.push((reader.whole(item)?, item.place.clone()));
        }
        return Ok(());
    }
    for entry in reader.entries(node)? {
        let mut condition = String::new();
        for entry in reader.entries(&entry.value)? {
            if entry.key == "condition" {
                condition = reader.whole(&entry.value)?;
            }
        }
        let list = if condition == "service_completed_successfully" {
            &mut service.after_jobs
        } else {
            &mut service.after
        };
        list.push((entry.key, entry.key_place));
    }
    Ok(())
}

fn health(node: &Node, service: &mut Service, reader: &mut Reader) -> Result<(), Misfit> {
    for entry in reader.entries(node)? {
        if entry.key == "test" {
            let words: Vec<String> = reader.texts(&entry.value)?.into_iter().map(|text| text.whole).collect();
            service.health = Some(words.join(" ")).filter(|words| !words.is_empty() && words != "NONE");
        }
    }
    Ok(())
}

fn aliases(node: &Node, service: &mut Service, reader: &mut Reader) -> Result<(), Misfit> {
    if node.items().is_some() {
        return Ok(());
    }
    for network in reader.entries(node)? {
        for entry in reader.entries(&network.value)? {
            if entry.key == "aliases" {
                service.aliases.extend(reader.texts(&entry.value)?.into_iter().map(|text| text.whole));
            }
        }
    }
    Ok(())
}

/// A command: a list as it is, a text as a shell would take it apart.
fn words(node: &Node, reader: &mut Reader) -> Result<Vec<Text>, Misfit> {
    if node.items().is_some() || node.is_nothing() {
        return reader.texts(node);
    }
    let line = reader.text(node)?.whole;
    let words = split(&line).ok_or_else(|| wanted(node, "a command whose quotes are closed"))?;
    Ok(words.iter().map(|word| Text::plain(word)).collect())
}

/// The words of a command line; nothing when a quote is left open.
fn split(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => word.push(chars.next()?),
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_taken_apart_as_a_shell_would() {
        let words = |line: &str| split(line).map(|words| words.join("|"));
        assert_eq!(words("a  b 'c d' \"e \\\" f\" g\\ h").as_deref(), Some("a|b|c d|e \" f|g h"));
        assert_eq!(words("a '' b").as_deref(), Some("a||b"));
        assert_eq!(words(""), Some(String::new()));
        assert_eq!(words("a 'b"), None);
        assert_eq!(words("a \\"), None);
    }
}
