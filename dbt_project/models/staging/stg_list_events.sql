select
    -- where it came from
    file_id,
    row_number as source_row,
    element,
    -- the list
    nullif(trim(list_id), '') as list_id,
    position
from {{ source('raw', 'events') }}
where event_type in ('impression', 'list_view', 'click')
