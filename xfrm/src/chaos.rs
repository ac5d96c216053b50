//! A backend that fails on purpose.
