//! `database`.

use seaworthy_core::span::SpanKind;

use crate::world::{World, assert_passes, assert_skipped, assert_undecided, blamed};

fn world(users: &[(&str, &str, &str, Option<&str>)]) -> World {
    let mut world = World::plain();
    let step = world.step();
    for (service, system, namespace, server) in users {
        let span = world.span(service, SpanKind::Client, step.trace, None, "");
        let attributes = &mut world.span_of(span).attributes;
        attributes.insert("db.system.name".to_owned(), (*system).into());
        attributes.insert("db.namespace".to_owned(), (*namespace).into());
        if let Some(server) = server {
            attributes.insert("server.address".to_owned(), (*server).into());
        }
    }
    world
}

#[test]
fn one_database_of_two_services_is_shared() {
    let shared = world(&[
        ("orders", "postgresql", "orders", Some("db")),
        ("mail", "postgresql", "orders", Some("db")),
    ]);
    assert_eq!(blamed("database", &shared.finish()), ["database.shared@mail"]);
    let file = world(&[("orders", "sqlite", "/data/a.db", None), ("mail", "sqlite", "/data/a.db", None)]);
    assert_eq!(blamed("database", &file.finish()), ["database.shared@mail"]);
}

#[test]
fn databases_that_differ_in_name_or_server_are_not_shared() {
    let own = world(&[
        ("orders", "postgresql", "orders", Some("db")),
        ("mail", "postgresql", "mail", Some("db")),
        ("payments", "postgresql", "orders", Some("other")),
        ("orders", "sqlite", "orders", None),
        ("mail", "sqlite", "mail", None),
    ]);
    assert_passes("database", &own.finish());
}

#[test]
fn a_file_of_one_name_without_its_path_is_undecided() {
    let same_name = world(&[("orders", "sqlite", "app", None), ("mail", "sqlite", "app", None)]);
    assert_undecided("database", &same_name.finish());
}

#[test]
fn without_database_spans_it_is_skipped() {
    let mut world = World::plain();
    let step = world.step();
    world.span("orders", SpanKind::Internal, step.trace, None, "");
    assert_skipped("database", &world.finish(), "db.namespace");
}
