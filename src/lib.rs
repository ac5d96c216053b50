//! The parts of the `ironflex` program.
