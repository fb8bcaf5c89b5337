//! Ports and mounts, in their short and long spellings.

use seaworthy_core::system::document::{Misfit, Node};

use super::read::{Reader, wanted};
use super::{Mount, Service};

/// Reads `ports`.
pub(super) fn ports(node: &Node, service: &mut Service, reader: &mut Reader) -> Result<(), Misfit> {
    let Some(items) = node.items() else {
        return if node.is_nothing() { Ok(()) } else { Err(wanted(node, "a list")) };
    };
    for item in items {
        let (shown, container, protocol) = if item.text().is_some() {
            let text = reader.whole(item)?;
            let (numbers, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
            let container = numbers.rsplit(':').next().unwrap_or_default().to_owned();
            (text.clone(), container, protocol.to_owned())
        } else {
            let (mut container, mut protocol) = (String::new(), "tcp".to_owned());
            for entry in reader.entries(item)? {
                match entry.key.as_str() {
                    "target" => container = reader.whole(&entry.value)?,
                    "protocol" => protocol = reader.whole(&entry.value)?,
                    _ => {}
                }
            }
            (format!("{container}/{protocol}"), container, protocol)
        };
        match container.parse::<u16>() {
            Ok(number) if number != 0 && protocol == "tcp" => service.published.push(number),
            Ok(_) => service.notes.push(format!("port `{shown}` is not TCP and was left out")),
            Err(_) if container.contains('-') => {
                service.notes.push(format!("the range of ports `{shown}` was left out"));
            }
            Err(_) => return Err(wanted_port(item, &shown)),
        }
    }
    Ok(())
}

/// Reads `expose`.
pub(super) fn expose(node: &Node, service: &mut Service, reader: &mut Reader) -> Result<(), Misfit> {
    for text in reader.texts(node)? {
        let (number, protocol) = text.whole.split_once('/').unwrap_or((&text.whole, "tcp"));
        match number.parse::<u16>() {
            Ok(number) if number != 0 && protocol == "tcp" => service.exposed.push(number),
            Ok(_) => service.notes.push(format!("port `{}` is not TCP and was left out", text.whole)),
            Err(_) if number.contains('-') => {
                service.notes.push(format!("the range of ports `{}` was left out", text.whole));
            }
            Err(_) => return Err(wanted_port(node, &text.whole)),
        }
    }
    Ok(())
}

fn wanted_port(node: &Node, shown: &str) -> Misfit {
    let help = Some("write `HOST:CONTAINER` or `CONTAINER`".to_owned());
    Misfit { message: format!("`{shown}` is not a port"), help, place: node.place.clone() }
}

/// Reads `volumes`.
pub(super) fn volumes(node: &Node, service: &mut Service, reader: &mut Reader) -> Result<(), Misfit> {
    let Some(items) = node.items() else {
        return if node.is_nothing() { Ok(()) } else { Err(wanted(node, "a list")) };
    };
    for item in items {
        let mount =
            if item.text().is_some() { short(&reader.whole(item)?) } else { long(item, service, reader)? };
        service.mounts.extend(mount);
    }
    Ok(())
}

fn short(text: &str) -> Option<Mount> {
    let mut parts = text.splitn(3, ':');
    let source = parts.next().filter(|source| !source.is_empty())?;
    let Some(target) = parts.next() else { return Some(Mount::Volume(source.to_owned())) };
    let read_only = parts.next().is_some_and(|modes| modes.split(',').any(|mode| mode == "ro"));
    let target = target.to_owned();
    Some(if source.starts_with(['.', '/', '~']) {
        Mount::Bind { source: source.to_owned(), target, read_only }
    } else {
        Mount::Volume(target)
    })
}

fn long(item: &Node, service: &mut Service, reader: &mut Reader) -> Result<Option<Mount>, Misfit> {
    let (mut kind, mut source, mut target, mut read_only) =
        (String::new(), String::new(), String::new(), false);
    for entry in reader.entries(item)? {
        match entry.key.as_str() {
            "type" => kind = reader.whole(&entry.value)?,
            "source" => source = reader.whole(&entry.value)?,
            "target" => target = reader.whole(&entry.value)?,
            "read_only" => read_only = reader.truth(&entry.value)?,
            _ => {}
        }
    }
    Ok(match kind.as_str() {
        "volume" => Some(Mount::Volume(target)),
        "bind" => Some(Mount::Bind { source, target, read_only }),
        kind => {
            service.notes.push(format!("what is mounted at `{target}` is of type `{kind}` and was left out"));
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_mount_is_a_volume_or_a_bind() {
        let bind = |source: &str, target: &str, read_only| {
            Some(Mount::Bind { source: source.to_owned(), target: target.to_owned(), read_only })
        };
        assert_eq!(short("./a:/b:ro"), bind("./a", "/b", true));
        assert_eq!(short("/a:/b:ro,z"), bind("/a", "/b", true));
        assert_eq!(short("~/a:/b"), bind("~/a", "/b", false));
        assert_eq!(short("data:/b"), Some(Mount::Volume("/b".to_owned())));
        assert_eq!(short("/b"), Some(Mount::Volume("/b".to_owned())));
        assert_eq!(short(""), None);
    }
}
