select
    -- ids
    category_id,
    -- A root may name itself, or nothing.
    nullif(nullif(trim(parent_id), ''), category_id) as parent_id,
    -- what it is
    nullif(trim(title), '') as title,
    -- when it was true; null: always
    updated_at,
    -- where it came from
    file_id,
    row_number as source_row,
    element
from {{ source('raw', 'categories') }}
