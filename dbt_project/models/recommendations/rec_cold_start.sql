-- What to show a visitor of whom nothing is known, and what to ask them.
{{ ruled_shelf('cold_start', 'context_type') }}
