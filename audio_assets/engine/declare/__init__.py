"""What an author writes: tables, columns, assets, roles, outcomes."""
