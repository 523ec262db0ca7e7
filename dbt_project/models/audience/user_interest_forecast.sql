{{ config(tags=['shelve']) }}

{% set night -%} date '{{ var("night") }}' {%- endset %}
with lately as (
    select
        user_id,
        subject as category,
        n_lines_28d / nullif(sum(n_lines_28d) over (partition by user_id), 0) as share
    from {{ ref('feat_user_interest') }}
    where as_of = {{ night }}
        and kind = 'category'
)

select
    -- ids
    {{ night }} as night,
    forecast.user_id,
    forecast.rank,
    forecast.category,
    -- numerics
    forecast.probability,
    -- Null for the others together, and for who took nothing in these weeks.
    case
        when forecast.category is not null
            and exists (from lately as own where own.user_id = forecast.user_id and own.share is not null)
            then coalesce(lately.share, 0)
    end as share_lately,
    -- where it comes from
    forecast.source
from {{ source('ml', 'interest_forecast') }} as forecast
left join lately
    on lately.user_id = forecast.user_id
    and lately.category = forecast.category
order by forecast.user_id, forecast.rank
