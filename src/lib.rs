//! lockwalk
