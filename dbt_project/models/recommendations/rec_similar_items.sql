-- Items taken by the same users; of an item that too few took to say so, items that look like it.
{{ ruled_shelf('similar_items', "'item'") }}
