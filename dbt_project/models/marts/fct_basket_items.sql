-- A basket is what was bought together. A shop whose log has no purchase is told by what was put
-- into the cart together, and without carts by what was looked at together. This is the one place
-- that says so. Together means: of one order and date, since tills count from one each morning; where there is no
-- order, of one session; where there is no session either, of one visitor and date. Lines without a user count here too: what was bought together
-- does not depend on by whom. Older days than anybody counts are not read.
with kept as (
    select cleaned.*
    from {{ ref('int_events_cleaned') }} as cleaned
    left join {{ ref('int_purchases_cancelled') }} as cancelled using (occurred_on, source, event_id)
    where dropped_by is null
        and cancelled_on is null
        and {{ happened_since("date '" ~ var('night') ~ "' - " ~ var('basket_days'), of='cleaned') }}
),

-- The first that is found is enough: of a log with purchases little is read.
meant as (
    select
        case
            {%- for type in ('purchase', 'cart_add') %}
            when exists (
                from {{ ref('int_events_cleaned') }} where dropped_by is null and event_type = '{{ type }}'
            ) then '{{ type }}'
            {%- endfor %}
            else 'view'
        end as event_type
),

lines as (
    select kept.* from kept join meant using (event_type)
),

-- What a robot bought lies in no session, though the visitor may have had one on another date.
without_order as (
    select
        lines.*,
        coalesce(lines.occurred_at <= sessions.ended_at, false) as is_in_session,
        sessions.started_at,
        sessions.session_date
    from (select * from lines where order_id is null) as lines
    {{ left_join_session('lines') }}
),

with_basket as (
    select
        visitor_id || ' ' || case
            when is_in_session then coalesce(session_id, '') || ' ' || started_at::varchar
            else event_date::varchar
        end as basket_id,
        item_id,
        case when is_in_session then session_date else event_date end as basket_date
    from without_order
)

select order_id as basket_id, item_id, event_date as basket_date
from lines
where order_id is not null
union
select basket_id, item_id, basket_date
from with_basket
