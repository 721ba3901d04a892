//! A plan as JSON, for programs; the fields carry the names and texts of the plan file.

use fanin_network::Role;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::text::axes_text;
use crate::{Entry, Plan};

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Plan", 6)?;
        object.serialize_field("format", &Self::FORMAT)?;
        object.serialize_field("stream", Self::STREAM)?;
        object.serialize_field("seed", &self.seed.value())?;
        object.serialize_field("recipe", self.recipe.name())?;
        object.serialize_field("model", &ModelFields(self))?;
        object.serialize_field("parameters", &self.entries)?;
        object.end()
    }
}

struct ModelFields<'a>(&'a Plan);

impl Serialize for ModelFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Model", 2)?;
        object.serialize_field("name", &self.0.model.name)?;
        object.serialize_field("digest", &format!("sha256:{}", self.0.model.digest))?;
        object.end()
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Entry", 13)?;
        object.serialize_field("name", &self.name)?;
        object.serialize_field("shape", &self.shape)?;
        object.serialize_field("dtype", self.dtype.name())?;
        object.serialize_field("role", &Role::to_string(&self.role))?;
        object.serialize_field("layout", &axes_text(&self.layout))?;
        object.serialize_field("groups", &self.layout.groups)?;
        object.serialize_field("stride", &self.layout.stride)?;
        object.serialize_field("transposed", &self.layout.transposed)?;
        object.serialize_field("fused", &self.layout.fused)?;
        object.serialize_field("fan_in", &self.fans.as_ref().map(|fans| fans.fan_in))?;
        object.serialize_field("fan_out", &self.fans.as_ref().map(|fans| fans.fan_out))?;
        object.serialize_field("initializer", &self.initializer.to_string())?;
        object.serialize_field("reason", &self.reason)?;
        object.end()
    }
}
