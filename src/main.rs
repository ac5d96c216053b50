//! The `ironflex` program; everything that it does stands in the library.

fn main() {}
