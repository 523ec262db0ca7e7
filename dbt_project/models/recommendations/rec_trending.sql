-- What rises over its own past; behind it, for everybody, what is popular.
{{ ruled_shelf('trending', 'context_type') }}
