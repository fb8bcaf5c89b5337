//! The images that a system's services run from: found on this machine, pulled, or built, with the binaries in them
//! built from source first.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures_util::future::try_join_all;
use seaworthy_core::ids::ServiceName;
use seaworthy_core::system::interpolate::{self, Placeholder};
use seaworthy_core::system::{Build, Service, System};
use seaworthy_runtime::cargo;
use seaworthy_runtime::docker::image::{self, BuildRequest, ImageRequest};

use crate::launch::{LaunchError, build};

/// The build argument by which a Dockerfile learns the name of the binary in its context.
const BINARY: &str = "BINARY";

/// Gets the image of each service, all at once, and says what each is called.
///
/// # Errors
/// A binary does not compile, or an image can neither be found nor pulled nor built.
pub(crate) async fn make(system: &System) -> Result<BTreeMap<ServiceName, String>, LaunchError> {
    let binaries = system.services.values().filter_map(|service| service.build.as_ref()?.details().cargo);
    let binaries = build(binaries.collect(), &system.folder, cargo::static_binaries).await?;
    let images = system.services.iter().map(|(name, service)| async {
        let request = request(system, name, service, &binaries)?;
        let image = image::resolve(&request).await.map_err(|error| LaunchError::Image {
            service: name.clone(),
            reason: error.to_string(),
            help: "see that `image:` names one that is here or can be pulled, or give a `build:` folder with a Dockerfile"
                .to_owned(),
        })?;
        Ok::<_, LaunchError>((name.clone(), image))
    });
    Ok(try_join_all(images).await?.into_iter().collect())
}

/// What is wanted for one service.
fn request(
    system: &System,
    name: &ServiceName,
    service: &Service,
    binaries: &BTreeMap<String, PathBuf>,
) -> Result<ImageRequest, LaunchError> {
    let fill = |place: &str, text: &str| {
        let value = |placeholder: &Placeholder| match placeholder {
            Placeholder::Env { name, .. } => std::env::var(name).ok(),
            _ => None,
        };
        interpolate::resolve(text, &value).map_err(|error| LaunchError::Placeholder {
            service: name.clone(),
            place: place.to_owned(),
            reason: error.to_string(),
        })
    };
    let image = service.image.as_ref().map(|image| fill("image", image)).transpose()?;
    let build = match service.build.as_ref().map(Build::details) {
        None => None,
        Some(details) => {
            let mut args = BTreeMap::new();
            for (key, value) in &details.args {
                args.insert(key.clone(), fill(&format!("build.args.{key}"), value)?);
            }
            let mut extra_files = BTreeMap::new();
            if let Some(binary) = &details.cargo {
                let built = binaries.get(binary);
                let built = built.ok_or_else(|| LaunchError::Image {
                    service: name.clone(),
                    reason: format!("no binary `{binary}` was built"),
                    help: "name a binary of the workspace that the system file lies in".to_owned(),
                })?;
                extra_files.insert(binary.clone(), built.clone());
                args.entry(BINARY.to_owned()).or_insert_with(|| binary.clone());
            }
            Some(BuildRequest {
                context: system.folder.join(fill("build.context", &details.context)?),
                dockerfile: details.dockerfile.map(PathBuf::from),
                args,
                extra_files,
            })
        }
    };
    Ok(ImageRequest { name: image, build })
}
