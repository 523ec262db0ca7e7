-- What users take on the first date they are known by: what an unknown visitor is nearest to.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with seen as (
    select i.*
    from {{ ref('fct_interactions') }} as i
    where {{ seen_before(night) }}
        and i.event_type = '{{ var("target_event") }}'
),

takings as (
    {{ first_takings('seen', night) }}
)

select
    item_id,
    count(*)::integer as n_takers,
    (select count(distinct user_id) from takings)::integer as n_newcomers
from takings
group by item_id
order by item_id
