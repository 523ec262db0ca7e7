{{ item_shelf('similar_items', 'similar_item_id', var('k_similar'), 'item_knn', 'similar_item') }}
