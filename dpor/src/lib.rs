//! dpor
