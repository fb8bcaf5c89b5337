//! Where images come from.

use seaworthy_runtime::docker::image::{BuildRequest, ImageError, ImageRequest, resolve, resolve_with};

use super::support::{base_image, context, docker_says, engine, image};

/// A registry that is not there, at an address that is refused at once.
const NOWHERE: &str = "127.0.0.1:9/seaworthy/none:1";

#[tokio::test]
async fn an_image_that_the_engine_has_is_taken_as_it_is() {
    engine!();
    let here = image().await;
    let unreadable = BuildRequest { context: "/no/such/folder".into(), ..BuildRequest::default() };
    let request = ImageRequest { name: Some(here.clone()), build: Some(unreadable) };
    assert_eq!(resolve(&request).await.unwrap(), here);
    assert_eq!(resolve(&ImageRequest { name: Some(base_image()), build: None }).await.unwrap(), base_image());
}

#[tokio::test]
async fn an_image_is_built_once_for_the_same_content() {
    engine!();
    // Content of its own, so that it is new each time.
    let unique = uuid::Uuid::new_v4().to_string();
    let (_folder, context) = context(&[
        ("Dockerfile", "FROM scratch\nARG WHAT\nLABEL what=$WHAT\nCOPY in /in\n"),
        ("in", &unique),
    ]);
    let args = [("WHAT".to_owned(), "a test".to_owned())].into();
    let build = BuildRequest { context, args, ..BuildRequest::default() };
    let request = ImageRequest { name: Some(NOWHERE.to_owned()), build: Some(build) };
    let mut progress = Vec::new();
    let built = resolve_with(&request, &mut |line| progress.push(line.to_owned())).await.unwrap();
    assert!(built.starts_with("seaworthy/none:"), "{built}");
    assert_eq!(progress[..2], [format!("pulling {NOWHERE}"), format!("building {built}")]);
    let label = docker_says(&["image", "inspect", "-f", "{{index .Config.Labels \"what\"}}", &built]);
    assert_eq!(label, "a test");
    let mut again = Vec::new();
    assert_eq!(resolve_with(&request, &mut |line| again.push(line.to_owned())).await.unwrap(), built);
    assert!(again.is_empty(), "{again:?}");
    docker_says(&["image", "rm", &built]);
}

#[tokio::test]
async fn an_image_that_cannot_be_had_says_what_was_tried() {
    engine!();
    let error = resolve(&ImageRequest { name: Some(NOWHERE.to_owned()), build: None }).await.unwrap_err();
    assert!(matches!(error, ImageError::Missing { .. }), "{error:?}");
    let text = error.to_string();
    let expected = format!(
        "could not get the image `{NOWHERE}`: the engine has none of that name; it could not be pulled ("
    );
    assert!(text.starts_with(&expected) && text.contains("connection refused"), "{text}");
    assert!(text.ends_with("; there is no `build:` to make it from"), "{text}");
    let none = resolve(&ImageRequest::default()).await.unwrap_err();
    assert_eq!(
        none.to_string(),
        "could not get the image: it has neither a name nor a `build:` to make it from"
    );
}

#[tokio::test]
async fn a_build_that_fails_is_shown_with_its_last_lines() {
    engine!();
    let base = base_image();
    let dockerfile = format!("FROM {base}\nRUN echo doing it; echo oh no >&2; exit 3\n");
    let (_folder, folder) = context(&[("Dockerfile", &dockerfile)]);
    let build = BuildRequest { context: folder.clone(), ..BuildRequest::default() };
    let error = resolve(&ImageRequest { name: None, build: Some(build) }).await.unwrap_err();
    let ImageError::Build { output, reason, .. } = &error else { panic!("{error:?}") };
    assert!(output.contains("doing it") && output.contains("oh no"), "{output}");
    assert!(reason.contains("returned a non-zero code: 3"), "{reason}");
    assert!(error.to_string().starts_with("could not build the image `seaworthy/"), "{error}");

    let missing = BuildRequest { context: folder.join("missing"), ..BuildRequest::default() };
    let error = resolve(&ImageRequest { name: None, build: Some(missing) }).await.unwrap_err();
    assert!(error.to_string().ends_with("missing`: there is no such folder"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_may_want_the_same_image_at_once() {
    engine!();
    let unique = uuid::Uuid::new_v4().to_string();
    let (_folder, context) = context(&[("Dockerfile", "FROM scratch\nCOPY in /in\n"), ("in", &unique)]);
    let build = BuildRequest { context, ..BuildRequest::default() };
    let request = ImageRequest { name: None, build: Some(build) };
    let images =
        futures_util::future::try_join_all([resolve(&request), resolve(&request), resolve(&request)]);
    let images = images.await.unwrap();
    assert!(images.iter().all(|image| *image == images[0]), "{images:?}");
    docker_says(&["image", "rm", &images[0]]);
}
