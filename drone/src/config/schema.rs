//! The JSON Schema of a configuration file, with the defaults that hold.

use serde_json::{Map, Value, json};

use super::{defaults, raw};

/// The JSON Schema of the file.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(raw::File).to_value();
    let values = json!(defaults());
    let tables = [
        ("DroneTable", values["drone"].clone()),
        ("LocalTable", values["local"].clone()),
        ("SpoolTable", values["spool"].clone()),
        ("LogTable", values["log"].clone()),
        ("WorkerTable", values["workers"]["defaults"].clone()),
        ("QueueTable", json!(defaults::queue())),
    ];
    no_defaults(schema.get_mut("properties"));
    for (_, table) in schema.get_mut("$defs").and_then(Value::as_object_mut).into_iter().flatten() {
        no_defaults(table.get_mut("properties"));
    }
    for (name, values) in tables {
        let properties = schema["$defs"][name]["properties"].as_object_mut();
        set_defaults(properties.into_iter().flatten(), &values);
    }
    schema
}

/// Those of the types, which are all `null`: absent is what they mean.
fn no_defaults(properties: Option<&mut Value>) {
    for (_, property) in properties.and_then(Value::as_object_mut).into_iter().flatten() {
        property.as_object_mut().map(|property: &mut Map<_, _>| property.remove("default"));
    }
}

fn set_defaults<'a>(properties: impl Iterator<Item = (&'a String, &'a mut Value)>, values: &Value) {
    for (key, property) in properties {
        let value = values.get(key).filter(|value| !value.is_null());
        if let (Some(property), Some(value)) = (property.as_object_mut(), value) {
            property.insert("default".into(), value.clone());
        }
    }
}
