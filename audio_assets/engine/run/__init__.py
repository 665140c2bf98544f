"""Doing it: items, collections, trainings."""
