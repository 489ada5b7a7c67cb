//! lockwalk under loom: see `tests/`.
