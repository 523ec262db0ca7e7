-- What arrived lately: part of it by how fast it sells, the rest in turn.
{{ ruled_shelf('new_arrivals', 'context_type') }}
