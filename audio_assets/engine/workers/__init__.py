"""Isolation: functions on worker processes, with limits."""
