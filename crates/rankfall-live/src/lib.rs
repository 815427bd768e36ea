//! Simulations that are watched while they run: [`session`]s of the exact engine that go on for as
//! long as somebody looks and may be changed on the way, the [`protocol`] in which they are told, a
//! [`server`] on this machine alone, and the page that it serves.
//!
//! Numbers are those of `rankfall run`: a session that is left alone takes the path of the same
//! experiment, to the bit.

pub mod export;
pub mod folder;
pub mod http;
pub mod page;
pub mod player;
pub mod protocol;
pub mod record;
pub mod run;
pub mod scenario;
pub mod server;
pub mod session;
pub mod watched;
pub mod wire;
