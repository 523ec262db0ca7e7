{# What rises over its own past, by the users it gained (ml/nightshelf/candidates/trend.py, its bursts
   undamped: a shelf of trends is there to show them). Where less rises than the list for everybody has slots, what is popular
   follows. #}
{% macro what_rises() -%}
with rising as (
    select
        items.item_id,
        items.category,
        trending.more_users as score,
        'trend' as source,
        'rising' as reason_code
    from {{ source('ml', 'trending') }} as trending
    join {{ ref('dim_items') }} as items using (item_id)
    where {{ is_ready('trending') }}
),

sold as (
    {{ sold_lately() }}
),

popular as (
    select
        item_id,
        category,
        {{ score_of_fallback() }} as score,
        'popularity' as source,
        'popular_now' as reason_code
    from sold
    anti join rising using (item_id)
    where n_buyers > 0
)

select *, []::varchar[] as evidence
from (
    {{ for_all_and_by_category('rising') }}
    union all
    select 'all', 'all', * from popular
)
{%- endmacro %}

{# What arrived lately, until it graduates. Part of the slots go to what sells fastest; the others go
   round: the rest stand in a fixed order of their own in each context, and every night the next of them
   come first, so that of n that wait for q slots each has its turn within n / q nights. What waits
   scores below 0, and nearer to it the sooner its turn is: a boost brings the turn forward, and what a
   cap or a variant leaves free goes to who is next. #}
{% macro arrivals_in_turn() -%}
{%- set n_round = (var('k_new') * var('new_share')) | round(0, 'floor') | int -%}
{%- set n_fast = var('k_new') - n_round -%}
with arrivals as (
    select arrivals.item_id, items.category, items.is_offerable, arrivals.buyers_per_day
    from {{ ref('feat_arrivals') }} as arrivals
    join {{ ref('dim_items') }} as items using (item_id)
    where not arrivals.has_graduated
),

contexts as (
    {{ for_all_and_by_category('arrivals') }}
),

-- What is withheld takes nobody's slot, here and below: it is there for what its rule costs.
placed as (
    select
        *,
        count(*) filter (is_offerable) over (
            partition by context_type, context_id
            order by buyers_per_day desc, item_id
            rows between unbounded preceding and 1 preceding
        ) < {{ n_fast }} as is_fast
    from contexts
),

-- md5 and not the database's own hash: that may change with its version, and all turns with it.
queued as (
    select
        *,
        count(*) filter (is_offerable) over (
            partition by context_type, context_id, is_fast
            order by md5(context_type || context_id || item_id), item_id
            rows between unbounded preceding and 1 preceding
        ) as place,
        greatest(count(*) filter (is_offerable) over (partition by context_type, context_id, is_fast), 1) as n_waiting
    from placed
),

with_turns as (
    select
        *,
        -- How many places behind the first of the night's turn.
        (place - {{ n_round }} * (date '{{ var("night") }}' - date '1970-01-01')) % n_waiting as behind
    from queued
)

select
    context_type,
    context_id,
    item_id,
    case
        when is_fast then buyers_per_day
        else -(1.0::double + (behind + n_waiting) % n_waiting) / n_waiting
    end as score,
    case when is_fast then 'arrivals' else 'rotation' end as source,
    'new_arrival' as reason_code,
    []::varchar[] as evidence
from with_turns
{%- endmacro %}

{# What costs less than it used to, for everybody, by category, and for each user what is on sale in the
   categories they take from, by discount × the category's share of what they took. #}
{% macro what_is_on_sale() -%}
{%- set night -%} date '{{ var("night") }}' {%- endset -%}
with on_sale as (
    select items.item_id, items.category, items.is_offerable, prices.discount, prices.basis
    from {{ ref('feat_item_price') }} as prices
    join {{ ref('dim_items') }} as items using (item_id)
    where prices.is_on_sale
),

-- Of a user's category, the item of their own that says most of why it is theirs.
favourites as (
    select own.user_id, items.category, own.item_id as own_item_id
    from {{ ref('feat_user_item') }} as own
    join {{ ref('dim_items') }} as items using (item_id)
    where own.as_of = {{ night }}
        and items.category in (select category from on_sale)
    qualify row_number() over (
        partition by own.user_id, items.category
        order by own.decayed_count desc, own.item_id
    ) = 1
),

of_users as (
    select
        'user' as context_type,
        tastes.user_id as context_id,
        on_sale.item_id,
        on_sale.discount * tastes.share as score,
        basis,
        [own_item_id] as evidence
    from on_sale
    join favourites using (category)
    join {{ ref('feat_user_category') }} as tastes
        on tastes.user_id = favourites.user_id
        and tastes.category = favourites.category
        and tastes.as_of = {{ night }}
    -- Twice the list, as the score stage keeps for rules to choose from; and as many of what is withheld,
    -- which is there for what its rule costs.
    qualify row_number() over (
        partition by tastes.user_id, on_sale.is_offerable
        order by score desc, on_sale.item_id
    ) <= 2 * {{ var('k_sale') }}
),

contexts as (
    select context_type, context_id, item_id, discount as score, basis, [] as evidence
    from ({{ for_all_and_by_category('on_sale') }})
    union all
    from of_users
)

select * exclude (basis), basis || '_price' as source, 'on_sale' as reason_code
from contexts
{%- endmacro %}
