"""All of Dagster and nothing else: assets, partitions, runs, schedules, sensors, instance, event log."""
