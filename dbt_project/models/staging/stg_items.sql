with levels as (
    select *, string_split(category_path, ' > ') as category_levels
    from {{ source('raw', 'items') }}
)

select
    -- ids
    item_id,
    -- what it is
    nullif(trim(title), '') as title,
    -- Two levels are fine enough to tell tastes apart and coarse enough to count them.
    nullif(concat_ws(' > ', category_levels[1], category_levels[2]), '') as category,
    nullif(trim(brand), '') as brand,
    price,
    coalesce(in_stock, stock_qty > 0) as in_stock,
    available_from,
    available_until,
    -- when it was true; null: always
    updated_at,
    -- where it came from
    file_id,
    row_number as source_row
from levels
