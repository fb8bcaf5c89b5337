//! gRPC: what contracts say of calls, played by real clients and servers.

mod comparing;
mod consumer;
mod playing;
mod properties;
mod provider;
mod wrong;

use std::path::Path;

use prost::Message;
use seaworthy_contracts::grpc::consumer::Descriptors;

/// A shop with a bit of everything that protobuf has.
pub(crate) const PROTO: &str = r#"
syntax = "proto3";
package test.shop.v1;

import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

service Shop {
  rpc Reserve(ReserveRequest) returns (Reservation);
  rpc Watch(ReserveRequest) returns (stream Reservation);
}

message Line {
  string sku = 1;
  uint32 quantity = 2;
}

message ReserveRequest {
  string order_id = 1;
  repeated Line lines = 2;
}

enum Status {
  STATUS_UNSPECIFIED = 0;
  STATUS_HELD = 1;
  STATUS_RELEASED = 2;
}

message Money {
  int64 units = 1;
  string currency = 2;
}

message Reservation {
  string reservation_id = 1;
  Status status = 2;
  repeated Line lines = 3;
  map<string, int32> stock = 4;
  map<int32, Line> shelves = 5;
  oneof payment {
    Money cash = 6;
    string card = 7;
  }
  optional string note = 8;
  bytes seal = 9;
  double weight = 10;
  float factor = 11;
  google.protobuf.StringValue nickname = 12;
  google.protobuf.Timestamp held_until = 13;
  google.protobuf.Struct extras = 14;
  repeated Status history = 15;
  Reservation replaces = 16;
  bool gift = 17;
  uint64 serial = 18;
}
"#;

/// The encoded `FileDescriptorSet` of a proto file.
pub(crate) fn file_descriptor_set(proto: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.proto"), proto).unwrap();
    protox::compile([Path::new("shop.proto")], [folder.path()]).unwrap().encode_to_vec()
}

pub(crate) fn shop() -> Descriptors {
    Descriptors::new(&file_descriptor_set(PROTO)).unwrap().proto_file(PROTO)
}

pub(crate) const RESERVE: &str = "test.shop.v1.Shop/Reserve";
pub(crate) const WATCH: &str = "test.shop.v1.Shop/Watch";
