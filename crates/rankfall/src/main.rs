//! The command line of rankfall.

fn main() {}
