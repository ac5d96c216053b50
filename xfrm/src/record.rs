//! A backend that only remembers.
