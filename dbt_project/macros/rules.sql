{# The shop's rules on a placement's candidates. docs/rules.md says what each does, and
   docs/decisions/0036-rules-in-one-order.md why in this order. A step whose rule is off hands its rows
   on, which costs nothing: DuckDB drops it.

   With `scenarios` the same lists are made once for each row of `scenarios(without)`: the name of a
   rule to leave out, '' for none, 'every' for all. Only rpt_rule_cost asks for that. #}

{# CTEs from `candidates` (context_type, context_id, item_id, score, source, …) to `ruled`: at most k rows
   a list, with `rank`, `score` as it is published and `model_score` as it came; with `whole` the lists go
   on to their end. Between them lists, items and sources are numbers: text would take most of the time
   and memory of the sorts. `placed` is `ruled` in numbers, with list_no and item_no, for who has more to
   sort. #}
{% macro ruled(placement, k, scenarios=false, whole=false) -%}
{%- set here = {
    'placement': placement,
    'k': k,
    'whole': whole,
    'scenarios': scenarios,
    'key': 'without, ' if scenarios else '',
} -%}
{{ numbered(here) }},

{{ gathered(here) }},

{{ offered(here) }},

{{ awaited(here) }},

{{ weighed(here) }},

{{ folded(here) }},

{% set step = namespace(before='folded') -%}
{%- for column in ['brand', 'category', 'price_band'] -%}
{{ capped(here, column, step.before) }},
{%- set step.before = 'capped_by_' ~ column %}

{% endfor -%}

{{ calibrated(here, step.before) }},

{{ placed(here) }},

ruled as (
    select
        placed.* exclude (list_no, item_no, source_no),
        {% if scenarios %}lists.without,{% endif %}
        lists.context_type,
        lists.context_id,
        items.item_id,
        items.price,
        sources.source
    from placed
    join numbered_lists as lists using (list_no)
    join numbered_items as items using (item_no)
    join numbered_sources as sources using (source_no)
)
{%- endmacro %}

{# What the shop file says of a rule; none where it is off. #}
{% macro rule(name) -%}
{{ return(var('rules').get(name)) }}
{%- endmacro %}

{# Begins the condition that a rule puts on a row: a scenario that leaves the rule out keeps the row. #}
{% macro unless_left_out(here, name) -%}
{% if here.scenarios %}without in ('every', '{{ name }}') or {% endif %}
{%- endmacro %}

{# What rpt_rule_cost counts a line under. #}
{% macro name_of_line() -%}
case when campaign <> '' then 'campaign ' || campaign else rule end
{%- endmacro %}

{# The shop's lines of a rule, with each item of `items` that a line is about. A category is named by as many
   levels as the shop likes, and takes those below it along. #}
{% macro items_of_lines(name, items) -%}
{%- set about = {
    'item': 'items.item_id = lines.value',
    'brand': 'items.brand = lines.value',
    'category': "starts_with(items.category_path || ' > ', lines.value || ' > ')",
} -%}
{%- for subject, matches in about.items() %}
    select lines.*, items.item_id
    from {{ source('raw', 'rules') }} as lines
    join {{ items }} as items on {{ matches }}
    where lines.rule = '{{ name }}'
        and lines.subject = '{{ subject }}'
    {{ 'union all' if not loop.last }}
{%- endfor %}
{%- endmacro %}

{# A list has a number in each scenario. Items are numbered by id, which breaks ties. #}
{% macro numbered(here) -%}
numbered_lists as (
    select *, row_number() over ()::integer as list_no
    from (select distinct context_type, context_id from candidates)
    {%- if here.scenarios %}
    cross join scenarios
    {%- endif %}
),

numbered_items as (
    select
        *,
        row_number() over (order by item_id)::integer as item_no,
        dense_rank() over (order by product_id)::integer as product_no,
        case when brand is not null then dense_rank() over (order by brand) end::integer as brand_no,
        case when category is not null then dense_rank() over (order by category) end::integer as category_no,
        price_band as price_band_no
    from {{ ref('dim_items') }}
),

numbered_sources as (
    select source, row_number() over ()::smallint as source_no
    from (select source from candidates union select 'rules')
),

numbered as (
    select
        candidates.* exclude (context_type, context_id, item_id, source),
        lists.list_no,
        items.item_no,
        {% if has_lists_by_category(here.placement) -%}
        context_type = 'category' as is_of_a_category,
        {% endif -%}
        {% if here.placement == 'cold_start' -%}
        context_type = 'onboarding' as is_question,
        {% endif -%}
        sources.source_no
    from candidates
    join numbered_lists as lists using (context_type, context_id)
    join numbered_items as items using (item_id)
    join numbered_sources as sources using (source)
)
{%- endmacro %}

{# Pins join every list of the placement, whatever the models said; the rules that withhold come after. #}
{% macro gathered(here) -%}
{% if here.placement in (rule('pinned') or []) -%}
pinned as (
    select lists.list_no, items.item_no, pins.rank as pin_rank
    from numbered_lists as lists
    cross join {{ source('raw', 'rules') }} as pins
    join numbered_items as items on items.item_id = pins.value
    left join numbered_items as page on lists.context_type = 'item' and page.item_id = lists.context_id
    where pins.rule = 'pin'
        and pins.placement = '{{ here.placement }}'
        and lists.context_type not in ('category', 'onboarding')
        -- On the page of an item neither it nor another variant of its product.
        and (page.item_id = items.item_id or page.product_no = items.product_no) is not true
        {%- if here.placement == 'cart' %}
        and not (
            lists.context_type = 'pair'
            and contains(' + ' || lists.context_id || ' + ', ' + ' || pins.value || ' + ')
        )
        {%- endif %}
        {%- if here.placement in ['new_arrivals', 'on_sale'] %}
        -- These two say something of an item, and a pin cannot make it true.
        and items.item_no in (select item_no from numbered)
        {%- endif %}
        {%- if here.scenarios %}
        and lists.without not in ('every', {{ name_of_line() }})
        {%- endif %}
        {%- if here.placement == 'discover' %}
        -- Nor to whoever has taken it, as the shop counts taking: the shelf promises what is new to its user.
        and (lists.context_id, pins.value) not in (
            select (user_id, item_id) from {{ ref('feat_user_item') }} where as_of = date '{{ var("night") }}'
        )
        {%- endif %}
),

gathered as (
    select
        list_no,
        item_no,
        numbered.* exclude (list_no, item_no, source_no),
        case
            when pinned.pin_rank is null then numbered.source_no
            else (select source_no from numbered_sources where source = 'rules')
        end as source_no,
        pinned.pin_rank
    from numbered
    full join pinned using (list_no, item_no)
)
{%- else -%}
gathered as (
    select *, null::integer as pin_rank from numbered
)
{%- endif %}
{%- endmacro %}

{# What may stand on a shelf at all, as dim_items says. #}
{% macro offered(here) -%}
offered as (
    select
        gathered.*,
        {% if here.scenarios %}lists.without,{% endif %}
        items.product_no,
        items.brand_no,
        items.category_no,
        items.price_band_no
    from gathered
    join numbered_items as items using (item_no)
    {%- if here.scenarios %}
    join numbered_lists as lists using (list_no)
    where items.is_offerable
        or items.withheld_by = [lists.without]
        or (lists.without = 'every' and not list_contains(items.withheld_by, 'not_a_product'))
    {%- else %}
    where items.is_offerable
    {%- endif %}
)
{%- endmacro %}

{# rec_for_you waits with what its user bought until the category's usual time has passed; with the other
   variants of the product, too. #}
{% macro awaited(here) -%}
{% if rule('withhold_bought') and here.placement == 'for_you' -%}
waiting as (
    select distinct lists.list_no, items.product_no
    from ({{ bought_by_users() }}) as bought
    join numbered_lists as lists on lists.context_id = bought.user_id
    join numbered_items as items using (item_id)
    join {{ ref('feat_replenishment') }} as usual
        on usual.as_of = date '{{ var("night") }}'
        and usual.category is not distinct from items.category
    where (usual.is_once_only
        or date '{{ var("night") }}' - bought.last_on < usual.replenished_after_days)
        {%- if here.scenarios %}
        and lists.without not in ('every', 'withhold_bought')
        {%- endif %}
),

awaited as (
    from offered
    anti join waiting using (list_no, product_no)
)
{%- else -%}
awaited as (
    from offered
)
{%- endif %}
{%- endmacro %}

{# (user_id, item_id, last_on): what was bought and kept, as of the night. Looks are no purchases. #}
{% macro bought_by_users() -%}
select i.user_id, i.item_id, max(i.interaction_date) as last_on
from {{ ref('fct_interactions') }} as i
where i.event_type = 'purchase' and {{ seen_before("date '" ~ var("night") ~ "'") }}
group by i.user_id, i.item_id
{%- endmacro %}

{# `weight` is what the list is ordered by: the score times boosts times what the margin adds. A score
   below 0 is divided, so that a boost lifts it, too, and never past 0: what stands in for a placement's
   own stays behind it. A question to a newcomer is no offer, and is not pushed. #}
{% macro weighed(here) -%}
{%- set is_boosted = here.placement in (rule('boosted') or []) -%}
{%- if is_boosted or rule('margin_weight') -%}
{% if is_boosted -%}
boosts as (
    select
        {{ here.key }}item_id,
        -- In the order of the lines: a product of doubles depends on it in the last digit.
        -- Within a billion either way: lines beyond number would multiply to infinity, or to nothing.
        greatest(least(list_reduce(list(factor order by line), lambda one, other: one * other), 1e9), 1e-9) as boost
    from ({{ items_of_lines('boost', ref('dim_items')) }}) as boosts
    {% if here.scenarios %}cross join scenarios{% endif %}
    where (placement is null or placement = '{{ here.placement }}')
        {% if here.scenarios %}and without not in ('every', {{ name_of_line() }}){% endif %}
    group by {{ here.key }}item_id
),

{% endif -%}
factors as (
    select
        {{ here.key }}item_no,
        {% if is_boosted %}coalesce(boost, 1) * {% endif -%}
        {% if rule('margin_weight') -%}
        case
            when {{ unless_left_out(here, 'margin_weight') }}margin is null then 1
            else 1 + {{ rule('margin_weight') }} * least(greatest(margin, 0), 1)
        end
        {%- else -%}1::double{%- endif %} as factor
    from numbered_items
    {% if here.scenarios %}cross join scenarios{% endif %}
    {% if is_boosted %}left join boosts using ({{ here.key }}item_id){% endif %}
),

weighed as (
    select
        awaited.*,
        case
            {% if here.placement == 'cold_start' %}when is_question then score{% endif %}
            when score >= 0 then score * factor
            else score / factor
        end as weight
    from awaited
    join factors using ({{ here.key }}item_no)
)
{%- else -%}
weighed as (
    select *, score as weight from awaited
)
{%- endif %}
{%- endmacro %}

{# What goes first within a list. Five bytes of a key are an eighth of a sort's memory. #}
{% macro best_first(here) -%}
{% if here.placement in (rule('pinned') or []) %}pin_rank nulls last, {% endif %}weight desc, item_no
{%- endmacro %}

{# Of a product's variants the best alone. #}
{% macro folded(here) -%}
folded as (
    from weighed
    {% if rule('fold_variants') -%}
    qualify {{ unless_left_out(here, 'fold_variants') }}row_number() over (
        partition by list_no, product_no
        order by {{ best_first(here) }}
    ) = 1
    {%- endif %}
)
{%- endmacro %}

{# At most so many of one value, counted among what the steps before have left. What is pinned stands,
   and counts. An unknown value is no value; a list by category is of one category by intent. #}
{% macro capped(here, column, before) -%}
{%- set cap = rule('caps').get(column) if rule('caps') and here.placement in rule('placements') -%}
capped_by_{{ column }} as (
    from {{ before }}
    {% if cap -%}
    qualify {{ unless_left_out(here, 'max_per_' ~ column) }}{{ column }}_no is null
        or pin_rank is not null
        {%- if has_lists_by_category(here.placement) %}
        or is_of_a_category
        {%- endif %}
        or row_number() over (
            partition by list_no, {{ column }}_no
            order by {{ best_first(here) }}
        ) <= {{ cap }}
    {%- endif %}
)
{%- endmacro %}

{# A category's quota on a user's list of k is its share of the user's history, mixed with its share of the
   shop's, rounded up; what is beyond it stands behind. Steck, Calibrated recommendations, RecSys 2018:
   the target is his, formula 7; the quota stands for his greedy search. #}
{% macro calibrated(here, before) -%}
{% if rule('calibration') is not none and here.placement in rule('placements')
    and here.placement in ['for_you', 'discover', 'buy_again'] -%}
own_shares as (
    select user_id as context_id, category, share
    from {{ ref('feat_user_category') }}
    where as_of = date '{{ var("night") }}'
),

known_users as (
    select distinct context_id from own_shares
),

numbered_categories as (
    select distinct category, category_no from numbered_items where category is not null
),

shop_shares as (
    select
        category_no,
        -- Decimals: sums of doubles differ with the thread count.
        sum(share::decimal(18, 9))::double / (select count(*) from known_users) as share
    from own_shares
    join numbered_categories using (category)
    group by category_no
),

known_lists as (
    select list_no, true as is_known
    from numbered_lists
    semi join known_users using (context_id)
),

own_of_lists as (
    select list_no, category_no, share
    from own_shares
    join numbered_lists using (context_id)
    join numbered_categories using (category)
),

with_quotas as (
    select
        {{ before }}.*,
        -- A billionth off: 0.15 of 20 is 3, whatever the last digit says.
        ceil({{ here.k }} * (
            {{ rule('calibration') }} * coalesce(own.share, case when is_known is null then shop_shares.share end, 0)
            + (1 - {{ rule('calibration') }}) * coalesce(shop_shares.share, 0)
        ) - 1e-9)::integer as quota
    from {{ before }}
    left join own_of_lists as own using (list_no, category_no)
    left join known_lists using (list_no)
    left join shop_shares using (category_no)
),

calibrated as (
    select
        *,
        {% if here.scenarios %}without not in ('every', 'calibration') and {% endif -%}
        category_no is not null
        and row_number() over (partition by list_no, category_no order by {{ best_first(here) }}) > quota
            as is_behind
    from with_quotas
)
{%- else -%}
calibrated as (
    select *, false as is_behind from {{ before }}
)
{%- endif %}
{%- endmacro %}

{# Ranks without holes. A pin takes its rank, or the last one of a shorter list. A row that a rule moved
   up is published with the score below it, one that was moved back with the score above it. #}
{% macro placed(here) -%}
{%- set is_moved = here.placement in (rule('pinned') or []) or rule('calibration') is not none -%}
{% if is_moved -%}
queued as (
    select
        *,
        row_number() over (
            partition by list_no, pin_rank is null
            order by pin_rank, is_behind, weight desc, item_no
        ) as place
    from calibrated
),

ordered as (
    select
        *,
        -- The third pin, at rank 8, follows on the fifth of the others.
        row_number() over (
            partition by list_no
            order by case when pin_rank is null then place else pin_rank - place + 0.5 end, pin_rank
        ) as rank
    from queued
),

lowered as (
    select
        *,
        min(case when pin_rank is null then weight end) over (
            partition by list_no order by rank rows unbounded preceding
        ) as lowest
    from ordered
    {%- if not here.whole %}
    where rank <= {{ here.k }}
    {%- endif %}
),

placed as (
    select
        * exclude (score),
        score as model_score,
        coalesce(
            max(case when pin_rank is null then lowest end) over (
                partition by list_no order by rank rows between current row and unbounded following
            ),
            lowest,
            0
        ) as score
    from lowered
)
{%- else -%}
ordered as (
    select
        *,
        row_number() over (partition by list_no order by weight desc, item_no) as rank
    from calibrated
),

placed as (
    select * exclude (score), score as model_score, weight as score
    from ordered
    {%- if not here.whole %}
    where rank <= {{ here.k }}
    {%- endif %}
)
{%- endif %}
{%- endmacro %}
