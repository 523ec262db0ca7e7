"""What is learnt and what comes of it: train.py fits at the cuts, trained.py is what it leaves, scoring.py ranks
everybody's candidates, placement_scores.py and scores.py hand dbt what SQL cannot count.
"""
