//! Dealing, without a server.
