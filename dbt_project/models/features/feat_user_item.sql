with seen as (
    select as_ofs.as_of, i.*
    from {{ ref('fct_interactions') }} as i
    join {{ ref('int_as_ofs') }} as as_ofs on {{ seen_before('as_ofs.as_of') }}
    where i.event_type = '{{ var("target_event") }}'
)

select
    as_of,
    user_id,
    item_id,
    count(*)::integer as n_days,
    count(*) filter (interaction_date >= as_of - 28)::integer as n_days_28d,
    count(*) filter (interaction_date >= as_of - 91)::integer as n_days_91d,
    sum(quantity)::bigint as quantity,
    -- As of a day: pieces without a price cost what the others did.
    case
        when count(revenue) = count(*) then sum(revenue)
        else (sum(revenue) * (sum(quantity) / sum(quantity) filter (revenue is not null)))::decimal(38, 4)
    end as revenue,
    (as_of - min(interaction_date))::integer as days_since_first,
    (as_of - min(interaction_date) filter (interaction_date >= as_of - 28))::integer as days_since_first_28d,
    (as_of - max(interaction_date))::integer as days_since_last,
    (max(interaction_date) - min(interaction_date))::double / nullif(count(*) - 1, 0) as mean_gap_days,
    -- A quarter's purchase counts half: tastes in a shop change with the season.
    sum({{ decayed('as_of - interaction_date', 91) }})::double as decayed_count
from seen
group by as_of, user_id, item_id
