"""Searches beyond one machine, on Ray (https://ray.io), an optional extra: members as tasks, one search in parts."""
