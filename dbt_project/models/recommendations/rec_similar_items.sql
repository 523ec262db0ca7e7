-- Items taken by the same users; of an item that too few took to say so, items that look like it.
{{ item_shelf(
    'similar_items', 'similar_item_id', var('k_similar'), 'pairs.source',
    "case pairs.source when 'content' then 'looks_alike' else 'similar_item' end"
) }}
