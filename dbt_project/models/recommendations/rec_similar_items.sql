{{ ruled_shelf('similar_items', "'item'") }}
