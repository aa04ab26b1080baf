//! What the API server holds a quantity against, before anybody parses it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{MAX_QUANTITY_LENGTH, Quantity};

/// Kubernetes' own grammar.
pub const QUANTITY_PATTERN: &str = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$";
/// The same without a minus.
const NOT_NEGATIVE_PATTERN: &str = r"^[+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$";
/// The same with a digit that is not 0.
const ABOVE_ZERO_PATTERN: &str =
    r"^[+]?([0-9]*[1-9][0-9]*(\.[0-9]*)?|[0-9]*\.[0-9]*[1-9][0-9]*)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$";

/// Written by hand: the schema that k8s-openapi gives a quantity has a description of 2.6 kB, and that at each use.
impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": MAX_QUANTITY_LENGTH,
            "pattern": QUANTITY_PATTERN,
        })
    }
}

/// A quantity of 0 or more: `0.05` is how Kubernetes' own documentation writes a tolerance.
pub(in crate::api) fn fraction_schema(_: &mut SchemaGenerator) -> Schema {
    number_or_string(NOT_NEGATIVE_PATTERN)
}

/// A quantity above 0, as targets are.
pub(in crate::api) fn target_schema(_: &mut SchemaGenerator) -> Schema {
    let mut schema = number_or_string(ABOVE_ZERO_PATTERN);
    schema.insert("exclusiveMinimum".into(), true.into());
    schema
}

/// A quantity that may be written as any number, with or without quotes, as the API server takes it in an HPA.
/// `x-kubernetes-int-or-string` refuses fractions, and a structural schema knows no other union of types. So the types that make no
/// sense are excluded one by one, and the bound is told by `minimum` for numbers and by the pattern for strings. CEL cannot see what
/// has no type: rules about such a field have to be written in JSON schema.
fn number_or_string(pattern: &str) -> Schema {
    json_schema!({
        "x-kubernetes-preserve-unknown-fields": true,
        "minimum": 0,
        "maxLength": MAX_QUANTITY_LENGTH,
        "pattern": pattern,
        "maxItems": 0,
        "maxProperties": 0,
        "not": {"enum": [true, false, [], {}]},
    })
}
