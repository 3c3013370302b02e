//! Load generator and peers for the benchmark.

fn main() {}
