"""Proofs of the guardian contract by halmos, and their twins: the same contract with one guard missing, which must fail."""
