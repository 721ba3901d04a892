//! What each parameter of a network gets at initialization, and why.
//!
//! [`plan`] goes through the parameters of a [`Network`](fanin_network::Network). A [`Recipe`], or a
//! rule of the user ([`Rules`]), gives each one an initializer and a reason; the result is a [`Plan`],
//! which is a text file, small enough for git. [`Plan::fill_weights`] and [`Plan::fill_file`] make the
//! weights, and the same plan makes the same bits on any machine.

mod build;
mod error;
mod fill;
mod folder;
mod gates;
mod glob;
mod json;
mod kind;
mod make;
mod plan;
mod recipe;
mod role_name;
mod rules;
mod suggest;
mod text;

pub use error::PlanError;
pub use fill::{Difference, FillOptions, Filled, Progress, Slices, Verified, Verify, shard_path};
pub use folder::Folder;
pub use make::{Outcome, Request, plan};
pub use plan::{ChosenBy, Entry, Model, Plan};
pub use recipe::{Recipe, UnknownRecipe};
pub use rules::{Rule, Rules, Warning};
