//! The command line: one file per command. Owns arguments and exit; the work is done by the rooms behind.

pub mod explain;
