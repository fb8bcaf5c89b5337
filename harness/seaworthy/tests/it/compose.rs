//! System files made from Compose files.

// What is not as it should be ends the test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use seaworthy::compose::{ComposeError, Imported, import};
use seaworthy_core::system::{Overrides, RunKind, System};

use crate::support::{said, seaworthy};

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/compose/compose.yaml");

/// A folder with these files, and what is made of its `compose.yaml`.
fn made(files: &[(&str, &str)]) -> Result<Imported, ComposeError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    import(&folder.path().join("compose.yaml"), &folder.path().join("seaworthy.yaml"))
}

/// The system that is made of a Compose file, as `up --on docker` reads it.
fn system(compose: &str) -> (System, Vec<String>) {
    let imported = made(&[("compose.yaml", compose)]).unwrap_or_else(|error| panic!("{error}\n{compose}"));
    (parsed(&imported.yaml), imported.notes)
}

fn parsed(yaml: &str) -> System {
    let overrides = Overrides { on: RunKind::Docker, ..Overrides::default() };
    System::parse(yaml, Path::new("seaworthy.yaml"), &overrides)
        .unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// What a service says under a key, as JSON.
fn value(system: &System, service: &str, key: &str) -> serde_json::Value {
    serde_json::to_value(&system.services[service]).unwrap()[key].clone()
}

#[test]
fn the_shop_of_compose_becomes_a_system() {
    // As if it were written at the root of the repository.
    let target = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../seaworthy.yaml"));
    let imported = import(Path::new(SHOP), &target).unwrap();
    assert_eq!(imported.notes, Vec::<String>::new());
    insta::assert_snapshot!(imported.yaml);
}

#[test]
fn the_shop_of_compose_has_the_edges_of_the_shop() {
    let target = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/shop/made.yaml"));
    let overrides = Overrides { on: RunKind::Docker, ..Overrides::default() };
    let made = System::parse(&import(Path::new(SHOP), &target).unwrap().yaml, &target, &overrides).unwrap();
    let shop = System::load(&target.with_file_name("seaworthy.yaml"), &overrides).unwrap();
    let edges = |system: &System| {
        // Compose knows no messages, and the shop publishes over a broker what it could also post.
        let is_call = |edge: &String| !edge.ends_with("-> notifications");
        let mut edges: Vec<String> = system.edges().iter().map(ToString::to_string).filter(is_call).collect();
        edges.sort();
        edges
    };
    assert_eq!(edges(&made), edges(&shop));
}

#[test]
fn addresses_of_other_services_become_calls() {
    let (system, notes) = system(
        r#"
services:
  web:
    image: web
    ports: ["80:3000"]
    environment:
      - API_URL=http://api:8080/v1
      - API_AGAIN=http://api:8080
      - CACHE=cache:6379
      - DB_HOST=database
      - DB_PORT=5432
      - PEERS=api:8080,users:9090
      - USERS_GRPC=users:9090
      - ME=http://web:3000
      - WORDS=api and the database
    command: ["--api", "http://api:8080"]
  api: {image: api}
  users: {image: users}
  cache: {image: "redis:7"}
  database: {image: "postgres:15", container_name: pg}
"#,
    );
    let calls = value(&system, "web", "calls");
    assert_eq!(
        calls,
        serde_json::json!({
            "api": "API_AGAIN",
            "cache": {"env": "CACHE", "value": "${host}:${port}"},
            "database": null,
            "users": null,
        })
    );
    let env = value(&system, "web", "env");
    assert_eq!(env["API_URL"], "${edge.api.url}/v1");
    assert_eq!(env["API_AGAIN"], serde_json::Value::Null);
    assert_eq!(env["DB_HOST"], "${edge.database.host}");
    assert_eq!(env["DB_PORT"], "${edge.database.port}");
    assert_eq!(env["PEERS"], "${edge.api.host}:${edge.api.port},${edge.users.host}:${edge.users.port}");
    assert_eq!(env["ME"], "http://web:3000");
    assert_eq!(env["WORDS"], "api and the database");
    assert_eq!(value(&system, "web", "command"), serde_json::json!(["--api", "${edge.api.url}"]));
    assert_eq!(value(&system, "users", "ports"), serde_json::json!({"grpc": "9090/grpc"}));
    assert_eq!(value(&system, "database", "ports"), serde_json::json!({"tcp": "5432/tcp"}));
    assert_eq!(serde_json::to_value(&system.ingress).unwrap(), serde_json::json!({"web": {"port": "http"}}));
    assert!(notes.iter().any(|note| note.starts_with("web: `ME` holds its own address")), "{notes:?}");
}

#[test]
fn variables_stay_variables_where_the_system_file_has_them() {
    let compose = r#"
name: ${PROJECT}
services:
  web:
    image: web:${TAG:-latest}
    environment:
      A: ${SECRET:?needed}
      B: x-${LEVEL:-info}-y
      C: $$HOME and $${port.http}
      D: http://api:${API_PORT}
      E:
      F: $$${LEVEL:-info}
  api: {image: api}
"#;
    let dot_env = "PROJECT=thing\nAPI_PORT=8080\n";
    let imported = made(&[("compose.yaml", compose), (".env", dot_env)]).unwrap();
    let system = parsed(&imported.yaml);
    let env = value(&system, "web", "env");
    assert_eq!(system.name, "thing");
    assert_eq!(value(&system, "web", "image"), "web:${env.TAG:-latest}");
    assert_eq!(env["A"], "${env.SECRET}");
    assert_eq!(env["B"], "x-${env.LEVEL:-info}-y");
    assert_eq!(env["C"], "$HOME and $${port.http}");
    assert_eq!(value(&system, "web", "calls"), serde_json::json!({"api": "D"}));
    assert_eq!(env["E"], "${env.E:-}");
    // `$${` would be an escape.
    assert_eq!(env["F"], "$info");
    assert_eq!(
        imported.notes.first().map(String::as_str),
        Some("values from `.env` stand in the result; take out what is secret: `API_PORT`, `PROJECT`")
    );
}

#[test]
fn files_folders_and_volumes_are_told_apart() {
    let compose = r#"
services:
  db:
    image: postgres:15
    env_file: [db.env]
    environment: {B: "2"}
    volumes:
      - ./one.sql:/docker-entrypoint-initdb.d/one.sql:ro
      - {type: bind, source: conf, target: /etc/db, read_only: true}
      - data:/var/lib/postgresql/data
      - ./missing:/x
      - {type: tmpfs, target: /tmp}
    healthcheck: {test: pg_isready}
volumes: {data: }
"#;
    let imported = made(&[
        ("compose.yaml", compose),
        ("one.sql", "SELECT '${nothing}';"),
        ("conf/a.conf", "a"),
        ("conf/deep/b.conf", "b"),
        ("db.env", "A=1\nB=1\n"),
    ])
    .unwrap();
    assert!(
        imported.yaml.contains("/docker-entrypoint-initdb.d/one.sql: {from: one.sql}"),
        "{}",
        imported.yaml
    );
    assert!(imported.yaml.contains("/etc/db/a.conf: {from: conf/a.conf}"), "{}", imported.yaml);
    assert!(imported.yaml.contains("/etc/db/deep/b.conf: {from: conf/deep/b.conf}"), "{}", imported.yaml);
    assert!(imported.yaml.contains("volumes: [/var/lib/postgresql/data]"), "{}", imported.yaml);
    assert!(imported.yaml.contains("      A: \"1\"\n      B: \"2\"\n"), "{}", imported.yaml);
    let notes = imported.notes.join("\n");
    assert!(notes.contains("db: `./missing` was left out: No such file"), "{notes}");
    assert!(notes.contains("db: what is mounted at `/tmp` is of type `tmpfs` and was left out"), "{notes}");
}

#[test]
fn what_has_no_like_is_left_out_by_name() {
    let (system, notes) = system(
        r#"
services:
  web:
    build: {context: ., dockerfile: web.Dockerfile, args: [A=1], target: prod}
    ports: ["8080:8080", "9000-9002:9000-9002", "53:53/udp"]
    healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:8080/healthz"]}
    privileged: true
    deploy: {replicas: 3}
    restart: always
    depends_on:
      migrate: {condition: service_completed_successfully}
      worker: {condition: service_started}
  worker: {image: worker, healthcheck: {test: "CMD-SHELL true"}}
  migrate: {image: web}
  debug: {image: web, profiles: [debug]}
configs: {}
"#,
    );
    assert_eq!(
        notes,
        [
            "`configs` has no like in a system file and was left out",
            "debug: it has `profiles`, so it was left out",
            "migrate: others wait for its end; a system's services stay, so it was left out",
            "web: `build.target` has no like in a system file and was left out",
            "web: the range of ports `9000-9002:9000-9002` was left out",
            "web: port `53:53/udp` is not TCP and was left out",
            "web: `privileged` has no like in a system file and was left out",
            "web: `deploy` has no like in a system file and was left out",
            "worker: its health check asks no URL; it counts as ready when its ports accept connections",
        ]
    );
    assert_eq!(system.services.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), ["web", "worker"]);
    assert_eq!(value(&system, "web", "health"), serde_json::json!({"ready": "/healthz", "port": "http"}));
    assert_eq!(value(&system, "web", "after"), serde_json::json!(["worker"]));
    assert_eq!(
        value(&system, "web", "build"),
        serde_json::json!({"context": ".", "dockerfile": "web.Dockerfile", "args": {"A": "1"}})
    );
}

#[test]
fn a_bad_compose_file_is_refused_with_its_line() {
    for (compose, line, said) in [
        ("services: [a]", 1, "this should be a map, not a list"),
        ("services:\n  a: {}\n", 2, "`a` has neither an image nor a build"),
        ("services:\n  a.b: {image: x}\n", 2, "a service of a system file cannot be called `a.b`"),
        ("services:\n  ingress: {image: x}\n", 2, "a service of a system file cannot be called `ingress`"),
        ("services:\n  a: {image: x, depends_on: [b]}\n", 2, "there is no service `b`"),
        ("services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n", 2, "in a circle"),
        ("services:\n  a:\n    image: x\n    ports: [abc]\n", 4, "`abc` is not a port"),
        ("services:\n  a:\n    image: ${X\n", 3, "`${X` has no closing `}`"),
        ("services:\n  a:\n    image: x\n    env_file: none.env\n", 4, "could not read `none.env`"),
        ("services:\n  a:\n    extends: {file: y}\n", 3, "`extends` is not followed"),
        ("include: [x]\n", 1, "`include` is not followed"),
        ("services:\n  a:\n    image: x\n    volumes: 3\n", 4, "this should be a list"),
        ("services:\n  a:\n    image: x\n    command: \"a 'b\"\n", 4, "whose quotes are closed"),
        ("services:\n\ta: x\n", 2, "a tab stands where YAML wants spaces"),
        ("services: !x {}\n", 1, "a tag has no meaning here"),
        ("{}", 1, "there are no services"),
    ] {
        let error = made(&[("compose.yaml", compose)]).unwrap_err();
        let ComposeError::Wrong(mistake) = &error else { panic!("{compose}: {error}") };
        assert!(mistake.message.contains(said), "{compose}: {error}");
        assert_eq!(mistake.location.line, line, "{compose}: {error}");
        assert!(error.to_string().contains("compose.yaml`, line"), "{error}");
    }
    assert!(matches!(made(&[]), Err(ComposeError::Read { .. })));
    let large = format!("# {}\n", "x".repeat(1024 * 1024));
    assert!(matches!(made(&[("compose.yaml", &large)]), Err(ComposeError::Read { .. })));
}

#[test]
fn what_stands_under_x_seaworthy_takes_the_place_of_guesses() {
    let (system, _) = system(
        "services:\n  a:\n    image: x\n    expose: ['80']\n    x-seaworthy: {ports: {rpc: 81/grpc}, telemetry: otlp}\n",
    );
    assert_eq!(value(&system, "a", "ports"), serde_json::json!({"rpc": "81/grpc"}));
    let wrong = made(&[("compose.yaml", "services: {a: {image: x, x-seaworthy: {prots: {}}}}")]).unwrap_err();
    assert!(matches!(wrong, ComposeError::Unsound { .. }), "{wrong}");
    assert!(wrong.to_string().contains("`prots` is not a key here"), "{wrong}");
}

const NAMES: [&str; 5] = ["web", "orders", "db", "cache-1", "q_x"];

/// A value that may hold addresses, variables, and what looks like one of them.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned),
        prop::sample::select(vec![
            "http://",
            "https://",
            "postgres://u:p@",
            ":",
            ":80",
            ":5432",
            "/x",
            ",",
            " ",
            "$$",
            "$$$$",
            "{",
            "}",
            "${",
            "\"",
            "'",
            "\\",
            "#",
            "é",
            "\n",
            "${V}",
            "${V:-d}",
            "${W:?r}",
            "$V",
            "http://db:80",
            "&a",
            "*a",
            "- ",
            ": ",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,3}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| {
        // Compose itself refuses a `$` that begins nothing, and so do we.
        let text = pieces.concat();
        if is_sound(&text) { text } else { text.replace('$', "$$") }
    })
}

/// Whether each `$` is an escape or begins one of the variables above.
fn is_sound(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at..];
        let known = ["$$", "${V}", "${V:-d}", "${W:?r}"];
        match known.iter().find(|known| rest.starts_with(**known)) {
            Some(known) => rest = &rest[known.len()..],
            None => return false,
        }
    }
    true
}

fn services() -> impl Strategy<Value = serde_json::Value> {
    let env = prop::collection::btree_map("(API|DB|OTEL|GRPC)_(URL|HOST|PORT|X)", texts(), 0..6);
    let ports = prop::collection::vec(
        prop::sample::select(vec!["80", "8080:80", "5432", "[::1]:1:2", "9/udp"]),
        0..3,
    );
    let volumes = prop::collection::vec(
        prop::sample::select(vec!["/data", "v:/data", "v:/x/../y", "./none:/z:ro", "/:/host", "v:rel"]),
        0..3,
    );
    let image = prop::sample::select(vec!["x", "postgres:15", "a/redis@sha256:1", "${I:-rabbitmq:3}"]);
    let service = (env, ports, volumes, image, prop::collection::vec(texts(), 0..3), texts(), 0..NAMES.len());
    prop::collection::vec(service, 1..=NAMES.len()).prop_map(|services| {
        let count = services.len();
        let mut out = serde_json::Map::new();
        for (index, (env, ports, volumes, image, command, health, after)) in services.into_iter().enumerate() {
            let after: Vec<&str> = NAMES.iter().copied().take(count).skip(index.max(after) + 1).collect();
            out.insert(
                NAMES[index].to_owned(),
                serde_json::json!({
                    "image": image, "environment": BTreeMap::from_iter(env), "ports": ports, "volumes": volumes,
                    "command": command, "healthcheck": {"test": ["CMD-SHELL", health]}, "depends_on": after,
                }),
            );
        }
        serde_json::json!({ "services": out })
    })
}

proptest! {
    // Each case makes a folder.
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_compose_file_it_is_the_result_is_a_system(compose in services()) {
        // JSON is YAML.
        let text = compose.to_string();
        let imported = made(&[("compose.yaml", &text)]);
        let imported = imported.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let system = parsed(&imported.yaml);
        prop_assert_eq!(system.services.len(), compose["services"].as_object().unwrap().len());
    }

    #[test]
    fn whatever_text_it_is_there_is_an_answer(text in "(services|a|image|:|\n|  |\\{|\\}|\\[|\\]|<<|&a|\\*a|-| |x|\\$|,){0,30}") {
        let _ = made(&[("compose.yaml", &text)]);
    }
}

#[test]
fn the_command_writes_the_file_and_tells_what_it_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let compose = folder.path().join("compose.yaml");
    std::fs::write(&compose, "services:\n  web: {image: x, privileged: true}\n").unwrap();
    let init = || seaworthy().arg("init").arg(folder.path()).arg("--compose").arg(&compose).output().unwrap();
    let (code, stdout, stderr) = said(&init());
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("seaworthy up --on docker"), "{stdout}");
    assert!(stderr.contains("note: web: `privileged` has no like in a system file"), "{stderr}");
    parsed(&std::fs::read_to_string(folder.path().join("seaworthy.yaml")).unwrap());
    // What is there already is somebody's.
    let (code, _, stderr) = said(&init());
    assert_eq!(code, 2, "{stderr}");

    std::fs::remove_file(folder.path().join("seaworthy.yaml")).unwrap();
    std::fs::write(&compose, "services:\n  web: {image: x, depends_on: [db]}\n").unwrap();
    let (code, stdout, stderr) = said(&init());
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("there is no service `db`") && stderr.contains("compose.yaml:2:"), "{stderr}");
    assert!(!folder.path().join("seaworthy.yaml").exists());
}
