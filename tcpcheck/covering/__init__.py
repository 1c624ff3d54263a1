"""`fixtures`: few traces of a spec that together take every rule it can take, or every rule after every other.

goals       what is to be taken: a rule, or a rule and the next one at the same host
search      the goals that a member of the families can take, each with a few shortest runs
choose      few of these runs that take them all, each confirmed by z3 and a concrete re-run
files       the traces in the formats asked for, and the index
"""
