"""Third-party models behind small protocols, one module per role."""
