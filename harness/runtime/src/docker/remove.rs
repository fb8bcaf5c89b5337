//! Removes what belongs to a run: its own at the end, and what runs left whose owners are gone.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder,
};

use super::engine::reason;
use super::labels::{OWNER_PID, Owner, RUN, started};

/// The pause before what could not be removed is tried again. There is nothing to be notified by.
const PAUSE: Duration = Duration::from_millis(100);
/// How long what a dead owner left may take to go.
const SWEEP: Duration = Duration::from_secs(20);

/// What an engine has of a run.
#[derive(Debug, Default)]
struct Things {
    containers: Vec<String>,
    networks: Vec<String>,
    volumes: Vec<String>,
    owners: HashMap<String, Owner>,
}

impl Things {
    fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.volumes.is_empty()
    }

    fn note(&mut self, labels: Option<HashMap<String, String>>) {
        let Some(labels) = labels else { return };
        if let (Some(run), Some(owner)) = (labels.get(RUN), Owner::from_labels(&labels)) {
            self.owners.insert(run.clone(), owner);
        }
    }
}

/// All that carries this label (`name` or `name=value`).
async fn things(docker: &Docker, label: &str) -> Result<Things, Error> {
    let filters = HashMap::from([("label", vec![label.to_owned()])]);
    let containers = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let volumes = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let (containers, networks, volumes) = futures_util::future::try_join3(
        docker.list_containers(Some(containers)),
        docker.list_networks(Some(networks)),
        docker.list_volumes(Some(volumes)),
    )
    .await?;
    let mut found = Things::default();
    for container in containers {
        found.containers.extend(container.id);
        found.note(container.labels);
    }
    for network in networks {
        found.networks.extend(network.id);
        found.note(network.labels);
    }
    for volume in volumes.volumes.unwrap_or_default() {
        found.volumes.push(volume.name);
        found.note(Some(volume.labels));
    }
    Ok(found)
}

/// Removes a container, running or not, with the volumes that have no name.
pub(super) async fn container(docker: &Docker, id: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    docker.remove_container(id, Some(options)).await
}

/// Removes all that belongs to a run and returns when it is gone, or after `within` with what is left.
pub(super) async fn run(docker: &Docker, run: &str, within: Duration) -> Result<(), String> {
    let since = Instant::now();
    let label = format!("{RUN}={run}");
    loop {
        let found = things(docker, &label).await.map_err(reason)?;
        if found.is_empty() {
            return Ok(());
        }
        // What another removes at the same time, or what is still in use, shows in the next round.
        let mut said = join_all(found.containers.iter().map(|id| container(docker, id))).await;
        said.extend(join_all(found.networks.iter().map(|id| docker.remove_network(id))).await);
        let forced = || Some(RemoveVolumeOptionsBuilder::new().force(true).build());
        said.extend(join_all(found.volumes.iter().map(|name| docker.remove_volume(name, forced()))).await);
        let error = said.into_iter().find_map(Result::err);
        if since.elapsed() > within {
            let Things { containers, networks, volumes, .. } = found;
            let left = [containers, networks, volumes].concat().join(", ");
            return Err(format!("{left} would not go: {}", error.map(reason).unwrap_or_default()));
        }
        if error.is_some() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Removes what runs left whose owners are gone. What cannot be removed stays: that is no reason not to start.
pub(super) async fn sweep(docker: &Docker, here: &Owner) {
    let owners = match things(docker, OWNER_PID).await {
        Ok(found) => found.owners,
        Err(error) => {
            tracing::warn!("could not look for what killed harnesses left: {}", reason(error));
            return;
        }
    };
    let gone: BTreeSet<String> =
        owners.into_iter().filter(|(_, owner)| owner.is_gone(here, started)).map(|(run, _)| run).collect();
    join_all(gone.iter().map(|run| async move {
        tracing::info!(run, "removing what a killed harness left behind");
        if let Err(left) = self::run(docker, run, SWEEP).await {
            tracing::warn!(run, "could not remove all that a killed harness left: {left}");
        }
    }))
    .await;
}
