"""dbt, run by a night: visit.py builds in an attempt, rules.py and exploring.py lay out what its SQL asks for,
tested.py and parsed.py spare what a visit before has done, docs.py makes dbt's own pages one file.
"""
