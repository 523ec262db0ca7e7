"""One module a public schema; each says in `ADAPTERS` what it reads, by the name in a shop file."""
