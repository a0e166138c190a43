"""Techniques with one fault each, for the contract kit to find: what somebody has once written by mistake."""
