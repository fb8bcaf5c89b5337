//! Values of the system file that can be written in more than one form.
//!
//! Serde could tell the forms apart by itself, but would then say of each mistake only that no form fits.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::address::Address;
use super::image::{Build, BuildDetails};
use super::model::{Call, Process};

impl<'de> Deserialize<'de> for Build {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BuildForms)
    }
}

struct BuildForms;

impl<'de> Visitor<'de> for BuildForms {
    type Value = Build;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a folder with a Dockerfile, or `{context: FOLDER, args: {…}, cargo: BIN}`")
    }

    fn visit_str<E: de::Error>(self, folder: &str) -> Result<Build, E> {
        Ok(Build::Folder(folder.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Build, A::Error> {
        BuildDetails::deserialize(de::value::MapAccessDeserializer::new(map)).map(Build::Detailed)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AddressForms)
    }
}

struct AddressForms;

impl<'de> Visitor<'de> for AddressForms {
    type Value = Address;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`http://HOST:PORT`, or an address for each port: `{http: http://HOST:PORT, …}`")
    }

    fn visit_str<E: de::Error>(self, url: &str) -> Result<Address, E> {
        Ok(Address::Only(url.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Address, A::Error> {
        Deserialize::deserialize(de::value::MapAccessDeserializer::new(map)).map(Address::Ports)
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ProcessForms)
    }
}

struct ProcessForms;

impl<'de> Visitor<'de> for ProcessForms {
    type Value = Process;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`{cargo: BIN}` or `{command: [PROGRAM, …]}`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Process, A::Error> {
        let mut process = None;
        while let Some(key) = map.next_key::<String>()? {
            let read = match key.as_str() {
                "cargo" => Process::Cargo { cargo: map.next_value()? },
                "command" => Process::Command { command: map.next_value()? },
                other => return Err(de::Error::unknown_field(other, &["cargo", "command"])),
            };
            if process.replace(read).is_some() {
                return Err(de::Error::custom("a process has either `cargo` or `command`, not both"));
            }
        }
        process.ok_or_else(|| de::Error::custom("a process needs `cargo: BIN` or `command: [PROGRAM, …]`"))
    }
}

impl<'de> Deserialize<'de> for Call {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CallForms)
    }
}

struct CallForms;

impl<'de> Visitor<'de> for CallForms {
    type Value = Call;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a variable, `{env: NAME, value: \"${url}\"}` or `{broker: NAME}`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Call, E> {
        Ok(Call::Env(name.to_owned()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Call, E> {
        Ok(Call::None(()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Call, A::Error> {
        let (mut env, mut value, mut broker) = (None::<String>, None::<String>, None::<String>);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "env" => env = Some(map.next_value()?),
                "value" => value = Some(map.next_value()?),
                "broker" => broker = Some(map.next_value()?),
                other => return Err(de::Error::unknown_field(other, &["env", "value", "broker"])),
            }
        }
        if let Some(broker) = broker {
            if env.is_some() || value.is_some() {
                return Err(de::Error::custom(
                    "messages over a broker have no address: remove `env` and `value`",
                ));
            }
            return Ok(Call::Broker { broker });
        }
        let env = env.ok_or_else(|| de::Error::missing_field("env"))?;
        Ok(Call::Template { env, value: value.ok_or_else(|| de::Error::missing_field("value"))? })
    }
}
