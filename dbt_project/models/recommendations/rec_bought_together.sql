{{ item_shelf('bought_together', 'companion_id', var('k_together'), "'baskets'", "'bought_together'") }}
