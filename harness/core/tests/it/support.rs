//! What the tests share: a small system, and how mistakes in it are shown.

use std::path::Path;

use miette::{GraphicalReportHandler, GraphicalTheme};
use seaworthy_core::system::{Overrides, System, SystemFileError};

/// A system in which nothing is wrong. Tests replace parts of it.
pub(crate) const SHOP: &str = r#"version: 1
name: shop
services:
  orders:
    process: {cargo: shop-orders}
    ports: {http: http}
    health: {ready: /health/ready}
    env:
      PORT: "${port.http}"
    calls:
      payments: PAYMENTS_URL
      inventory.grpc: INVENTORY_URL
    after: [payments]
  payments:
    process: {command: [./payments, "--port=${port.http}"]}
    ports: {http: http}
  inventory:
    process: {cargo: shop-inventory}
    ports: {http: http, grpc: grpc}
    env: {PORT: "${port.http}", GRPC: "${port.grpc}"}
ingress:
  orders: {}
flows: [flows/*.yaml]
facts:
  budgets:
    orders -> payments: 2s
"#;

pub(crate) fn parse(text: &str) -> Result<System, SystemFileError> {
    System::parse(text, Path::new("seaworthy.yaml"), &Overrides::default())
}

/// The shop with one part replaced, which must be there.
pub(crate) fn shop_with(part: &str, by: &str) -> String {
    assert_eq!(SHOP.matches(part).count(), 1, "{part}");
    SHOP.replace(part, by)
}

/// What a person sees of a mistake, without colours, on 100 columns.
pub(crate) fn shown(error: &SystemFileError) -> String {
    let mut out = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(100)
        // Where lines break depends on what else is built.
        .with_wrap_lines(false)
        .render_report(&mut out, error)
        .unwrap();
    let mut lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    while lines.first().is_some_and(|line| line.is_empty()) {
        lines.remove(0);
    }
    lines.join("\n")
}

/// What a person sees of the mistakes in a text; it must have some.
pub(crate) fn refused(text: &str) -> String {
    match parse(text) {
        Ok(_) => panic!("this was accepted:\n{text}"),
        Err(error) => shown(&error),
    }
}
