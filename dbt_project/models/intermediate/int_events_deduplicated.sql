{{ config(materialized='view') }}

select events.*
from {{ ref('stg_events') }} as events
anti join {{ ref('int_copies_found') }} as copies
    on copies.file_id = events.file_id
    and copies.source_row = events.source_row
    and copies.element = events.element
