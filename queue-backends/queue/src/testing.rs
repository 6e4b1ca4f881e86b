//! The suite: a reference model, the clauses of the contract, a wrapper that loses replies.
