//! What the engine is told about a container: its image, command, environment, files, folders and limits.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Component, Path, PathBuf};

use seaworthy_core::ids::ServiceName;
use seaworthy_core::runtime::Launch;
use sha2::{Digest, Sha256};
use testcontainers::bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigLogConfig, Mount,
    MountType, NetworkingConfig,
};

use super::labels::{INSTANCE, SERVICE};
use super::network::Network;
use crate::filling::Filled;

/// The first number given to a port without one.
const FIRST_PORT: u16 = 8080;
/// How large one file may be, in bytes.
const FILE_LIMIT: usize = 16 * 1024 * 1024;
/// How much of a container's output the engine keeps on its disk: more than is kept here.
const LOG_ON_DISK: [(&str, &str); 2] = [("max-size", "64m"), ("max-file", "2")];

/// The numbers of its ports: the given ones, and from 8080 on for those without.
pub(super) fn ports(launch: &Launch) -> BTreeMap<String, u16> {
    let given: BTreeSet<u16> = launch.ports.values().filter_map(|port| port.number).collect();
    let mut free = (FIRST_PORT..=u16::MAX).filter(|number| !given.contains(number));
    let number = |(name, port): (&String, &seaworthy_core::system::Port)| {
        Some((name.clone(), port.number.or_else(|| free.next())?))
    };
    launch.ports.iter().filter_map(number).collect()
}

/// The name of a container, which the engine must be given in its own alphabet: services' names are in it.
pub(super) fn container_name(run: &str, launch: &Launch) -> String {
    format!("seaworthy-{run}-{}", launch.instance)
}

/// The name of the volume for a folder of a service, the same for each of its instances.
pub(super) fn volume_name(run: &str, service: &ServiceName, path: &str) -> String {
    let digest = Sha256::digest(path.as_bytes());
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("seaworthy-{run}-{service}-{short}")
}

/// The whole of what the engine is told.
///
/// On the network it has an address and no name but its container's: services reach each other through proxies, so
/// there is nothing for them to reach each other by. Its host name is the same after a restart, for programs that
/// write their host's name into what they keep (RabbitMQ does); engines tell it to the other containers, so the run is
/// in it too, and no service has it in its configuration by accident.
pub(super) fn body(
    launch: &Launch,
    image: &str,
    filled: &Filled,
    run: &str,
    network: &Network,
    address: Ipv4Addr,
    mut labels: HashMap<String, String>,
) -> ContainerCreateBody {
    labels.insert(SERVICE.to_owned(), launch.service.to_string());
    labels.insert(INSTANCE.to_owned(), launch.instance.to_string());
    let mounts = launch.volumes.iter().map(|path| Mount {
        target: Some(path.clone()),
        source: Some(volume_name(run, &launch.service, path)),
        typ: Some(MountType::VOLUME),
        ..Mount::default()
    });
    let log = HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some(LOG_ON_DISK.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
    };
    let host_config = HostConfig {
        network_mode: Some(network.name.clone()),
        extra_hosts: Some(vec![network.host_line()]),
        mounts: Some(mounts.collect()),
        log_config: Some(log),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        hostname: Some(host_name(run, &launch.service)),
        cmd: (!filled.command.is_empty()).then(|| filled.command.clone()),
        env: Some(filled.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(labels),
        host_config: Some(host_config),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some([(network.name.clone(), endpoint(address))].into()),
        }),
        ..ContainerCreateBody::default()
    }
}

/// Its place on the network.
pub(super) fn endpoint(address: Ipv4Addr) -> EndpointSettings {
    let ipam =
        EndpointIpamConfig { ipv4_address: Some(address.to_string()), ..EndpointIpamConfig::default() };
    EndpointSettings { ipam_config: Some(ipam), ..EndpointSettings::default() }
}

/// Letters, digits and hyphens, at most 63 of them.
fn host_name(run: &str, service: &ServiceName) -> String {
    let name = service.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    let name: String = name.take(40).collect();
    format!("{name}-{run}")
}

/// The files as a tar archive to be unpacked at the root: a relative path lies below `working`, an absolute one where
/// it says. Nothing when there are none.
pub(super) fn files(working: &str, files: &BTreeMap<String, String>) -> io::Result<Option<Vec<u8>>> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        if content.len() > FILE_LIMIT {
            let what = format!("`{name}` is larger than {FILE_LIMIT} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, place(working, name)?, content.as_bytes())?;
    }
    archive.into_inner().map(Some)
}

/// Where a file lies, seen from the root.
fn place(working: &str, name: &str) -> io::Result<PathBuf> {
    let path = Path::new("/").join(working).join(name);
    let odd = |part: Component<'_>| matches!(part, Component::ParentDir | Component::Prefix(_));
    if Path::new(name).file_name().is_none() || name.ends_with('/') || path.components().any(odd) {
        let what = format!("`{name}` does not name a file of the container");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    path.strip_prefix("/").map(Path::to_owned).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_core::runtime::Program;

    fn launch(ports: &[(&str, &str)]) -> Launch {
        Launch {
            service: "orders".into(),
            instance: "orders-1".into(),
            program: Program::Image { image: "orders".to_owned(), command: Vec::new() },
            env: BTreeMap::new(),
            files: BTreeMap::new(),
            ports: ports.iter().map(|(name, port)| ((*name).to_owned(), port.parse().unwrap())).collect(),
            volumes: Vec::new(),
        }
    }

    #[test]
    fn ports_have_their_numbers_or_the_next_from_8080_on() {
        let ports = ports(&launch(&[("a", "http"), ("b", "5432/tcp"), ("c", "grpc"), ("d", "8081/http")]));
        let numbers: Vec<u16> = ports.into_values().collect();
        assert_eq!(numbers, [8080, 5432, 8082, 8081]);
    }

    #[test]
    fn files_lie_below_the_working_folder_or_where_they_say() {
        let path =
            |working: &str, name: &str| place(working, name).map(|path| path.display().to_string()).ok();
        assert_eq!(path("/app", "conf/a.toml").as_deref(), Some("app/conf/a.toml"));
        assert_eq!(path("", "a.toml").as_deref(), Some("a.toml"));
        assert_eq!(path("/app", "/etc/a.toml").as_deref(), Some("etc/a.toml"));
        for name in ["", "../a", "/", "a/..", "/etc/../x", "."] {
            assert_eq!(path("/app", name), None, "{name}");
        }
        assert_eq!(path("/app", "a/"), None);
    }

    #[test]
    fn the_archive_holds_what_was_given() {
        let given = BTreeMap::from([
            ("a".to_owned(), "one".to_owned()),
            (format!("/{}", "long/".repeat(60) + "b"), "two".to_owned()),
        ]);
        let archive = files("/work", &given).unwrap().unwrap();
        let mut archive = tar::Archive::new(archive.as_slice());
        let held: Vec<(String, String)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                let mut text = String::new();
                io::Read::read_to_string(&mut entry, &mut text).unwrap();
                (path, text)
            })
            .collect();
        assert_eq!(
            held,
            [("long/".repeat(60) + "b", "two".to_owned()), ("work/a".to_owned(), "one".to_owned())]
        );
        assert!(files("/work", &BTreeMap::new()).unwrap().is_none());
    }

    #[test]
    fn a_host_name_is_made_of_what_may_stand_in_one() {
        assert_eq!(host_name("0123456789ab", &"orders_db".into()), "orders-db-0123456789ab");
        assert!(host_name("0123456789ab", &"a".repeat(80).as_str().into()).len() < 64);
    }
}
