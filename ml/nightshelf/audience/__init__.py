"""What becomes of users rather than of items: profiles, interests over time, segments, lapses, audiences.

SQL makes user_profiles and user_interest_history. What is learnt beside them stands in four modules:
`forecast` (next month's interests), `tags` (interests beyond habit), `churn` (who stays away) and
`segments` (who shops alike). `learn` fits and judges them, `record` tells MLflow, `score` writes what
dbt makes the published tables of.
"""

from nightshelf.audience.run import VIEWS, learn, read_report, record, score, summary

__all__ = ["VIEWS", "learn", "read_report", "record", "score", "summary"]
