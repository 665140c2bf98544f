"""Isolation: functions over inputs on worker processes, with limits. Knows no lake, no asset and no item.

`session` says what is promised, and `local` keeps it with processes of this machine. What an item asset, a
training or a file to inspect makes of it stands with them.
"""
