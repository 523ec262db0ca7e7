-- An item counts under the brand that the catalogue gave it by the cut.
with seen as (
    select as_ofs.as_of, i.user_id, items.brand, i.interaction_date, count(*) as n_lines
    from {{ ref('fct_interactions') }} as i
    join {{ ref('int_as_ofs') }} as as_ofs on {{ seen_before('as_ofs.as_of') }}
    join {{ ref('feat_catalogue') }} as items on items.item_id = i.item_id and items.as_of = as_ofs.as_of
    where i.event_type = '{{ var("target_event") }}'
        and items.brand is not null
    group by all
),

counted as (
    select as_of, user_id, brand, sum(n_lines) as n_lines, count(distinct interaction_date)::integer as n_days
    from seen
    group by as_of, user_id, brand
)

select
    as_of,
    user_id,
    brand,
    n_days,
    n_lines / sum(n_lines) over (partition by as_of, user_id) as share
from counted
