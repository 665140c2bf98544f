"""What the lake knows of values: ledger, plan, checkpoints."""
