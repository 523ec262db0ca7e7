select
    -- ids
    item_id,
    nullif(trim(parent_id), '') as parent_id,
    -- what it is
    nullif(trim(title), '') as title,
    nullif(trim(category_path), '') as category_path,
    nullif(trim(brand), '') as brand,
    price,
    cost,
    coalesce(in_stock, stock_qty > 0) as in_stock,
    available_from,
    available_until,
    -- when it was true; null: always
    updated_at,
    -- where it came from
    file_id,
    row_number as source_row,
    element
from {{ source('raw', 'items') }}
