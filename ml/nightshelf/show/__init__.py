"""What a person sees in the terminal: tables, not dumps. A module a subject."""
