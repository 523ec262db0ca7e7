{{ config(materialized='view') }}

-- Not an anti join: of few days DuckDB takes the events for its small side, and then no condition on the
-- days reaches the reader.
select *
from {{ ref('stg_events') }}
where (file_id, source_row, element) not in (
    select (file_id, source_row, element)
    from {{ ref('int_copies_found') }}
    where file_id is not null
)
