{{ config(tags=['prepare']) }}

-- Each month is held against the last one before it in which the user took anything: a month away is
-- no change of taste. All months under the categories of the night, or a renamed shelf would look
-- like one.
{% set night -%} date '{{ var("night") }}' {%- endset %}
-- Numbers for the long texts, in their order: lines are grouped by them several times.
with items_numbered as (
    select item_id, category, dense_rank() over (order by category) as place
    from {{ ref('dim_items') }}
    where category is not null
),

dates as (
    select i.user_id, items.place, i.interaction_date, count(*) as n_lines
    from {{ ref('fct_interactions') }} as i
    join items_numbered as items using (item_id)
    where i.event_type = '{{ var("target_event") }}'
        -- The running month and the twelve before it: one may be held against the same a year ago.
        and i.interaction_date >= date_trunc('month', {{ night }}) - interval 12 month
        and {{ seen_before(night) }}
    group by i.user_id, items.place, i.interaction_date
),

counted as (
    select
        user_id,
        date_trunc('month', interaction_date)::date as month,
        place,
        sum(n_lines)::bigint as n_lines,
        count(*) as n_dates
    from dates
    group by all
),

months as (
    select
        user_id,
        month,
        sum(n_lines) as n_of_month,
        lag(month) over own as month_before,
        lag(sum(n_lines)) over own as n_of_month_before
    from counted
    group by user_id, month
    window own as (partition by user_id order by month)
),

-- What was taken in the month, and what was taken in the one before and no more.
compared as (
    select
        user_id,
        month,
        place,
        sum(n_lines) filter (not is_before) as n_lines,
        sum(n_dates) filter (not is_before) as n_dates,
        sum(n_lines) filter (is_before) as n_lines_before,
        sum(n_dates) filter (is_before) as n_dates_before
    from (
        select user_id, month, place, n_lines, n_dates, false as is_before
        from counted
        union all
        select counted.user_id, months.month, place, n_lines, n_dates, true
        from counted
        join months
            on months.user_id = counted.user_id
            and months.month_before = counted.month
    )
    group by user_id, month, place
),

shares as (
    select
        months.*,
        place,
        coalesce(n_lines, 0) as n_lines,
        coalesce(n_dates, 0) as n_dates,
        coalesce(n_lines_before, 0) as n_lines_before,
        coalesce(n_dates_before, 0) as n_dates_before,
        coalesce(n_lines, 0) / n_of_month as share,
        case when month_before is not null then coalesce(n_lines_before, 0) / n_of_month_before end as share_before
    from compared
    join months using (user_id, month)
),

-- Jensen-Shannon distance, to the base of 2: the root of the mean of both months' Kullback-Leibler
-- divergence from their middle (Lin 1991; Endres and Schindelin 2003). 0 is the same, 1 nothing alike.
drifts as (
    select
        user_id,
        month,
        sqrt(greatest(0, sum((
            case when share > 0 then share * log2(2 * share / (share + share_before)) else 0 end
            + case when share_before > 0 then share_before * log2(2 * share_before / (share + share_before)) else 0 end
        )::decimal(18, 12)) / 2))::double as drift
    from shares
    where month_before is not null
    group by user_id, month
),

judged as (
    select
        *,
        -- Five lines over two dates of a month: less is a basket, not a trend.
        case
            when month_before is null or n_lines + n_lines_before < 5 then 'steady'
            when n_dates >= 2 and {{ z_of_shares('n_lines', 'n_of_month', 'n_lines_before', 'n_of_month_before') }} >= 2.58
                then 'rising'
            when n_dates_before >= 2 and {{ z_of_shares('n_lines', 'n_of_month', 'n_lines_before', 'n_of_month_before') }} <= -2.58
                then 'fading'
            else 'steady'
        end as trend
    from shares
)

select
    -- ids
    {{ night }} as night,
    user_id,
    month,
    category_names.category,
    -- numerics
    n_lines::integer as n_lines,
    share,
    case
        when n_lines > 0 then row_number() over (
            partition by user_id, month order by n_lines desc, place
        )
    end::integer as rank,
    share_before,
    share - share_before as change,
    drift,
    trend,
    -- when
    month_before,
    month + interval 1 month <= {{ night }} as is_whole_month
from judged
left join drifts using (user_id, month)
join (select distinct place, category from items_numbered) as category_names using (place)
-- What is gone has a row in the month that misses it, where there is evidence.
where n_lines > 0 or trend = 'fading'
order by user_id, month, rank nulls last, place
