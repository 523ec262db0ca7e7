{{ ruled_shelf('popular', 'context_type') }}
