//! lockwalk under shuttle: see `tests/`.
