"""From candidates to one ordered list: features attached, a ranker over the union of sources."""
