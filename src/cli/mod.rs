//! The command line: one file per command. Owns arguments, output and exit; the work is done by the rooms behind.

pub mod crd;
pub mod explain;
