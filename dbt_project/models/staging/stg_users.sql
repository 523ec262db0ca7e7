select
    -- ids
    user_id,
    -- who it is
    nullif(trim(region), '') as region,
    consent,
    -- when it was true; null: always
    updated_at,
    -- where it came from
    file_id,
    row_number as source_row,
    element
from {{ source('raw', 'users') }}
