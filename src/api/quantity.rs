//! Kubernetes quantities (`100`, `500m`, `2k`, `1Gi`) as exact thousandths.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::Milli;

/// A quantity as it stands in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quantity(pub String);

impl From<Milli> for Quantity {
    fn from(value: Milli) -> Self {
        Self(value.to_string())
    }
}
