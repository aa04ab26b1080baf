//! Arguments to one command. Nothing else.

fn main() {}
