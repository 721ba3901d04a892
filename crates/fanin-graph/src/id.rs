//! Positions in the lists of a graph.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in its list.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl From<usize> for $name {
            fn from(index: usize) -> Self {
                // Readers refuse graphs of more than u32::MAX values before any id is made.
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }
        }
    };
}

id! {
    /// A value's position in [`Network::values`](crate::Network::values).
    ValueId
}
id! {
    /// A node's position in [`Network::nodes`](crate::Network::nodes).
    NodeId
}
id! {
    /// A parameter's position in [`Network::parameters`](crate::Network::parameters).
    ParameterId
}
