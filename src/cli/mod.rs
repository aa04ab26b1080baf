//! The commands, one file each. Edges only: each turns arguments into calls of the library.

pub mod crd;
