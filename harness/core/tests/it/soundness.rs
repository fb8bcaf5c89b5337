//! Whatever text comes in, nothing panics; whatever system goes out comes in again.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use seaworthy_core::ids::{EdgeId, ServiceName};
use seaworthy_core::system::document::Node;
use seaworthy_core::system::{
    Breaker, Call, CustomCheck, Expect, Health, Ingress, LogFormat, Overrides, PortProtocol, Process,
    RunKind, Saga, SagaStep, Service, System, TelemetryMode,
};
use seaworthy_core::time::HumanDuration;

use crate::support::{SHOP, parse, shown};

/// Texts that look like YAML often enough to get far.
fn yaml_like() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-z]{1,4}",
        "[0-9]{1,3}",
        Just("version: 1".to_owned()),
        Just("services:".to_owned()),
        Just(": ".to_owned()),
        Just("- ".to_owned()),
        Just("\n".to_owned()),
        Just("\n  ".to_owned()),
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(", ".to_owned()),
        Just("&a ".to_owned()),
        Just("*a".to_owned()),
        Just("|\n".to_owned()),
        Just(">-\n".to_owned()),
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("${port.x}".to_owned()),
        Just("#".to_owned()),
        Just("\t".to_owned()),
        Just("é→".to_owned()),
        Just("---\n".to_owned()),
        Just("? ".to_owned()),
        Just("!!str ".to_owned()),
        Just("\r\n".to_owned()),
        Just("%YAML 1.2\n".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("\0".to_owned()),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

/// The shop with some of its characters replaced, doubled or taken out.
fn damaged() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0..3u8, any::<char>());
    prop::collection::vec(edit, 1..4).prop_map(|edits| {
        let mut text: Vec<char> = SHOP.chars().collect();
        for (at, kind, with) in edits {
            let at = at.index(text.len());
            match kind {
                0 => text[at] = with,
                1 => text.insert(at, text[at]),
                _ => {
                    text.remove(at);
                }
            }
        }
        text.into_iter().collect()
    })
}

fn look_through(text: &str) {
    if let Ok(node) = Node::parse(text) {
        let _ = node.read::<serde_json::Value>();
    }
    if let Err(error) = parse(text) {
        // What people see is made from places in the text: those must not panic either.
        let _ = shown(&error);
    }
}

prop_compose! {
    fn service(others: usize)(
        ports in prop::collection::btree_map(
            prop::sample::select(vec!["http".to_owned(), "grpc".to_owned(), "admin".to_owned()]),
            prop_oneof![Just(PortProtocol::Http), Just(PortProtocol::Grpc), Just(PortProtocol::Tcp)],
            1..3,
        ),
        env in prop::collection::btree_map("[A-D][A-Z_]{0,6}", ".{0,20}", 0..3),
        file in prop::option::of(("[a-z]{1,5}(/[a-z]{1,5})?", "(.|\n){0,40}")),
        command in prop::option::of(prop::collection::vec("[a-z ${}'\"#:-]{1,8}", 1..3)),
        telemetry in prop_oneof![Just(TelemetryMode::Otlp), Just(TelemetryMode::None)],
        logs in prop::option::of(prop_oneof![Just(LogFormat::Json), Just(LogFormat::Text)]),
        deadline in prop::option::of(1u64..100_000),
        called in prop::collection::btree_set(0..others.max(1), 0..3),
        form in 0..3u8,
        image in prop::option::of("[a-z]{1,8}:[0-9]"),
        overlay in any::<bool>(),
    ) -> (Service, Vec<usize>, u8) {
        let escaped = |text: &str| text.replace(['$', '\0'], "");
        let mut env: BTreeMap<String, String> =
            env.into_iter().map(|(key, value)| (key, escaped(&value))).collect();
        let told: Vec<String> = ports.keys().map(|port| format!("${{port.{port}}}")).collect();
        env.insert("ZPORTS".to_owned(), told.join(" "));
        let process = match command {
            Some(mut command) => {
                command.insert(0, "./run".to_owned());
                Process::Command { command: command.iter().map(|part| escaped(part)).collect() }
            }
            None => Process::Cargo { cargo: "bin".to_owned() },
        };
        let docker = Service { image: Some("other:2".to_owned()), ..Service::default() };
        let service = Service {
            process: Some(process),
            image,
            env,
            files: file.into_iter().map(|(name, text)| (name, escaped(&text))).collect(),
            telemetry,
            logs,
            health: Health { deadline: deadline.map(HumanDuration::millis), ..Health::default() },
            on: if overlay { BTreeMap::from([(RunKind::Docker, Box::new(docker))]) } else { BTreeMap::new() },
            ports: ports.into_iter().map(|(name, protocol)| (name, protocol.into())).collect(),
            ..Service::default()
        };
        (service, called.into_iter().collect(), form)
    }
}

/// Systems in which nothing is wrong.
fn system() -> impl Strategy<Value = System> {
    let services = (1usize..5).prop_flat_map(|count| prop::collection::vec(service(count), count));
    (services, "[a-z0-9:#'\"\\- é]{0,10}", 1u64..1_000_000).prop_map(|(services, name, millis)| {
        let mut system = parse(SHOP).unwrap();
        system.name = format!("s{name}");
        system.facts.budgets.clear();
        system.services.clear();
        system.ingress.clear();
        let names: Vec<ServiceName> =
            (0..services.len()).map(|index| format!("s{index}").as_str().into()).collect();
        let ports: Vec<String> =
            services.iter().map(|(service, ..)| service.ports.keys().next().unwrap().clone()).collect();
        for (index, (mut service, called, form)) in services.into_iter().enumerate() {
            for other in called {
                let variable = format!("Z{other}_URL");
                let call = match form {
                    0 => Call::Env(variable),
                    1 => Call::Template { env: variable, value: "x ${host}: ${port}".to_owned() },
                    _ => Call::None(()),
                };
                service.calls.insert(format!("{}.{}", names[other], ports[other]), call);
            }
            service.after = names[..index].to_vec();
            system.services.insert(names[index].clone(), service);
        }
        system.ingress.insert(names[0].clone(), Ingress { port: Some(ports[0].clone()) });
        let edges = system.edges();
        let last: EdgeId = edges.last().unwrap().clone();
        system.facts.budgets.insert(last.clone(), HumanDuration::millis(millis));
        system.facts.optional = edges.clone();
        let operation: seaworthy_core::route::Operation = format!("{last} POST /a/{{b}}").parse().unwrap();
        let steps = vec![SagaStep { forward: operation.clone(), undo: Some(operation.clone()) }];
        system.facts.sagas = vec![Saga { name: "saga".to_owned(), owner: names[0].clone(), steps }];
        system.facts.idempotent = vec![operation];
        let open = HumanDuration::millis(millis);
        system.facts.breakers.insert(last, Breaker { window: 3, failure_ratio: 0.25, open, trials: 1 });
        system.checks.custom = vec![CustomCheck {
            id: "mine".to_owned(),
            query: "{ name = \"x\" }".to_owned(),
            expect: Expect::Some,
            message: Some(system.name.clone()),
        }];
        system
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        look_through(&text);
    }

    #[test]
    fn no_text_like_yaml_makes_the_reader_panic(text in yaml_like()) {
        look_through(&text);
    }

    #[test]
    fn no_damage_to_a_file_makes_the_reader_panic(text in damaged()) {
        look_through(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_system_that_is_written_reads_back_as_it_was(system in system()) {
        let json = serde_json::to_string_pretty(&system).unwrap();
        // JSON may hold control characters as they are, YAML may not; else JSON is YAML.
        let json = Some(json).filter(|json| !json.contains(|c: char| c.is_control() && c != '\n' || c == '\u{feff}'));
        for text in json.into_iter().chain([serde_saphyr::to_string(&system).unwrap()]) {
            let file = Path::new("seaworthy.yaml");
            match System::parse(&text, file, &Overrides::default()) {
                Ok(read) => prop_assert_eq!(&read, &system, "{}", text),
                Err(error) => prop_assert!(false, "{}\n{}", shown(&error), text),
            }
        }
    }
}
