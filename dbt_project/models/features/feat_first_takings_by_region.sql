-- feat_first_takings for each region that the shop says its users are in.
{% set night -%} date '{{ var("night") }}' {%- endset %}
with seen as (
    select i.*
    from {{ ref('fct_interactions') }} as i
    where {{ seen_before(night) }}
        and i.event_type = '{{ var("target_event") }}'
),

takings as (
    {{ first_takings('seen', night) }}
),

of_regions as (
    select users.region, takings.user_id, takings.item_id
    from takings
    join {{ ref('int_users_described') }} as users using (user_id)
    where users.region is not null
),

newcomers as (
    select region, count(distinct user_id)::integer as n_newcomers
    from of_regions
    group by region
)

select of_regions.region, of_regions.item_id, count(*)::integer as n_takers, newcomers.n_newcomers
from of_regions
join newcomers using (region)
group by of_regions.region, of_regions.item_id, newcomers.n_newcomers
order by of_regions.region, of_regions.item_id
