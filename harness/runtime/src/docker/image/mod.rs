//! The image that a service runs: here already, pulled, or built.
//!
//! An image that is built here is named after what it is built from, `seaworthy/NAME:DIGEST`, so it is built once and
//! found from then on, until something in its context changes. Such images stay on the engine, as a build's output
//! does; `docker image rm` removes them, and `docker image ls seaworthy/*` shows them.

mod context;
mod ignore;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::{BuildInfoAux, CreateImageInfo};
use testcontainers::bollard::query_parameters::{
    BuildImageOptionsBuilder, BuilderVersion, CreateImageOptionsBuilder, RemoveImageOptions,
    TagImageOptionsBuilder,
};
use testcontainers::bollard::{Docker, body_try_stream};

use super::engine::{self, failed, is_status, reason};
use context::Context;
use seaworthy_core::runtime::RuntimeError;

/// How long a registry may be silent before it is given up.
const SILENCE: Duration = Duration::from_secs(20);
/// How long a pull may take, and how long a build.
const PULL: Duration = Duration::from_secs(600);
const BUILD: Duration = Duration::from_secs(1200);
/// How many of a build's last lines an error shows.
const SHOWN_LINES: usize = 40;
/// How much of the digest stands in a name, in hex digits.
const DIGEST: usize = 16;

/// Which image is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageRequest {
    /// Its reference, `postgres:16`. When the engine has it, it is taken as it is.
    pub name: Option<String>,
    /// What it is built from where it is neither here nor can be pulled.
    pub build: Option<BuildRequest>,
}

/// What an image is built from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildRequest {
    /// The folder that the Dockerfile copies from. Its `.dockerignore` is honoured.
    pub context: PathBuf,
    /// The Dockerfile, relative to the context; `Dockerfile` unless said.
    pub dockerfile: Option<PathBuf>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// Files that are put into the context: name there → where each lies here.
    pub extra_files: BTreeMap<String, PathBuf>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Nothing that was tried brought it.
    #[error("could not get the image{}: {tried}", name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default())]
    Missing {
        /// Which.
        name: Option<String>,
        /// What was tried, and why it was in vain.
        tried: String,
    },
    /// What it is to be built from is not in order.
    #[error("could not read the build context `{}`: {reason}", folder.display())]
    Context {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Its build failed.
    #[error("could not build the image `{image}` from `{}`: {reason}\n{output}", folder.display())]
    Build {
        /// The name it was to get.
        image: String,
        /// The context.
        folder: PathBuf,
        /// What the engine said.
        reason: String,
        /// The build's last lines.
        output: String,
    },
    /// There is no engine, or it refused something.
    #[error(transparent)]
    Engine(#[from] RuntimeError),
}

/// Finds the image, pulls it or builds it, and returns the reference by which the engine knows it:
///
/// 1. `name`, when the engine has it;
/// 2. what was built from the same content before;
/// 3. `name`, when it can be pulled (from a registry that asks for no password);
/// 4. what is built from `build`.
///
/// Several may do this at once, also for the same content.
///
/// # Errors
/// There is no engine, nothing of that worked (the error says what was tried), or the build failed.
pub async fn resolve(request: &ImageRequest) -> Result<String, ImageError> {
    resolve_with(request, &mut |_| ()).await
}

/// Like [`resolve`]; what takes long is told line by line.
///
/// # Errors
/// As [`resolve`].
pub async fn resolve_with(
    request: &ImageRequest,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<String, ImageError> {
    let docker = engine::connect().await?;
    let mut tried = String::new();
    if let Some(name) = &request.name {
        if is_here(&docker, name).await? {
            return Ok(name.clone());
        }
        tried.push_str("the engine has none of that name");
    }
    let build = match &request.build {
        Some(build) => {
            let context = read(build).await?;
            let image = format!("seaworthy/{}:{}", slug(request, build), &context.digest()[..DIGEST]);
            if is_here(&docker, &image).await? {
                return Ok(image);
            }
            Some((build, context, image))
        }
        None => None,
    };
    if let Some(name) = &request.name {
        progress(&format!("pulling {name}"));
        match pull(&docker, name).await {
            Ok(()) => return Ok(name.clone()),
            Err(reason) => {
                let _ = write!(tried, "; it could not be pulled ({reason})");
            }
        }
    }
    match build {
        Some((build, context, image)) => {
            progress(&format!("building {image}"));
            make(&docker, build, context, &image, progress).await?;
            Ok(image)
        }
        None => {
            let none = if tried.is_empty() { "it has neither a name nor a" } else { "; there is no" };
            let _ = write!(tried, "{none} `build:` to make it from");
            Err(ImageError::Missing { name: request.name.clone(), tried })
        }
    }
}

async fn is_here(docker: &Docker, image: &str) -> Result<bool, RuntimeError> {
    match docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(error) if is_status(&error, 404) => Ok(false),
        Err(error) => Err(failed(format!("look for the image `{image}`"))(error)),
    }
}

async fn read(build: &BuildRequest) -> Result<Context, ImageError> {
    let request = build.clone();
    let wrong = |reason: String| ImageError::Context { folder: build.context.clone(), reason };
    let read = tokio::task::spawn_blocking(move || Context::read(&request)).await;
    read.map_err(|error| wrong(error.to_string()))?.map_err(wrong)
}

/// What the image is called: like the one that was asked for, like the file that is put into it, or like its context.
fn slug(request: &ImageRequest, build: &BuildRequest) -> String {
    let asked = request.name.as_deref().map(|name| {
        let last = name.rsplit('/').next().unwrap_or_default();
        last.split([':', '@']).next().unwrap_or_default()
    });
    let only_file = match build.extra_files.len() {
        1 => build.extra_files.keys().next().map(String::as_str),
        _ => None,
    };
    let folder = build.context.canonicalize().unwrap_or_else(|_| build.context.clone());
    let folder = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = asked.or(only_file).unwrap_or(folder).to_lowercase();
    let parts: Vec<&str> =
        name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "image".to_owned() } else { parts.join("-") }
}

/// Whether a reference says which of several images it means.
fn has_tag(name: &str) -> bool {
    name.contains('@') || name.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

async fn pull(docker: &Docker, name: &str) -> Result<(), String> {
    // Without a tag an engine pulls all there are.
    let name = if has_tag(name) { name.to_owned() } else { format!("{name}:latest") };
    let options = CreateImageOptionsBuilder::new().from_image(&name).build();
    let pulling = docker.create_image(Some(options), None, None);
    match tokio::time::timeout(PULL, to_the_end(pulling, |_: CreateImageInfo| ())).await {
        Ok(done) => done,
        Err(_) => Err(format!("it took longer than {PULL:?}")),
    }
}

/// Follows a stream until it ends, fails, or is silent for too long.
async fn to_the_end<T>(
    stream: impl Stream<Item = Result<T, Error>>,
    mut see: impl FnMut(T),
) -> Result<(), String> {
    let mut stream = std::pin::pin!(stream);
    loop {
        match tokio::time::timeout(SILENCE, stream.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(item))) => see(item),
            Ok(Some(Err(error))) => return Err(reason(error)),
            Err(_) => return Err(format!("nothing was heard of it for {SILENCE:?}")),
        }
    }
}

async fn make(
    docker: &Docker,
    build: &BuildRequest,
    context: Context,
    image: &str,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<(), ImageError> {
    let args: HashMap<&str, &str> =
        build.args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let labels = HashMap::from([("seaworthy.image", "built")]);
    let options = BuildImageOptionsBuilder::new()
        .dockerfile(context.dockerfile())
        .buildargs(&args)
        .labels(&labels)
        .rm(true)
        .forcerm(true)
        .version(BuilderVersion::BuilderV1)
        .build();
    let mut said = VecDeque::new();
    let mut id: Option<String> = None;
    let mut saying = docker.build_image(options, None, Some(body_try_stream(context.stream())));
    let following = async {
        while let Some(told) = saying.next().await {
            let told = told.map_err(reason)?;
            if let Some(BuildInfoAux::Default(made)) = told.aux {
                id = made.id;
            }
            for line in
                told.stream.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty())
            {
                progress(line);
                if said.len() == SHOWN_LINES {
                    said.pop_front();
                }
                said.push_back(line.to_owned());
            }
        }
        Ok(())
    };
    let built = match tokio::time::timeout(BUILD, following).await {
        Ok(done) => done,
        Err(_) => Err(format!("it took longer than {BUILD:?}")),
    };
    let done = match (built, id) {
        (Ok(()), Some(id)) => name(docker, &id, image).await.map_err(reason),
        (Ok(()), None) => Err("the engine did not say what it made".to_owned()),
        (Err(reason), _) => Err(reason),
    };
    done.map_err(|reason| ImageError::Build {
        image: image.to_owned(),
        folder: Path::to_owned(&build.context),
        reason,
        output: Vec::from(said).join("\n"),
    })
}

/// Gives an image its name, unless one that was built meanwhile from the same has it; then this one goes.
async fn name(docker: &Docker, id: &str, image: &str) -> Result<(), Error> {
    match docker.inspect_image(image).await {
        Ok(there) if there.id.as_deref() == Some(id) => Ok(()),
        Ok(_) => {
            // Its layers may be in use; they are not ours to insist on.
            let _ = docker.remove_image(id, None::<RemoveImageOptions>, None).await;
            Ok(())
        }
        Err(error) if is_status(&error, 404) => {
            let (repository, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
            docker.tag_image(id, Some(TagImageOptionsBuilder::new().repo(repository).tag(tag).build())).await
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_called_after_what_says_most() {
        let build = BuildRequest { context: "/srv/Shop Images".into(), ..BuildRequest::default() };
        let none = ImageRequest::default();
        assert_eq!(slug(&none, &build), "shop-images");
        let named = ImageRequest { name: Some("localhost:5000/shop/Orders_db:1.2".to_owned()), build: None };
        assert_eq!(slug(&named, &build), "orders-db");
        let with = BuildRequest { extra_files: [("shop-orders".to_owned(), "/x".into())].into(), ..build };
        assert_eq!(slug(&none, &with), "shop-orders");
        assert_eq!(slug(&none, &BuildRequest { context: "/".into(), ..BuildRequest::default() }), "image");
    }

    #[test]
    fn a_tag_is_told_from_a_registrys_port() {
        for (name, tagged) in [
            ("postgres", false),
            ("postgres:16", true),
            ("localhost:5000/x", false),
            ("localhost:5000/x:1", true),
            ("x@sha256:ab", true),
        ] {
            assert_eq!(has_tag(name), tagged, "{name}");
        }
    }
}
