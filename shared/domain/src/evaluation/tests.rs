//! Tables of what is decided.
