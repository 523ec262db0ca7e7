{# What each rule of a placement costs: its lists with all rules, without each one, and without any, on the
   same candidates. More lists than `most` are sampled by the hash of whom they are for: a fair draw, and
   the same in every attempt. The mean nDCG of 1,000 lists, which deviate by a tenth or two, is within a
   hundredth of the truth; and each rule that is on shelves them once more. #}
{% macro cost_of_rules(placement, most=1000) -%}
with every_candidate as (
    from (
        {{ candidates_of(placement) }}
    )
    {% if placement in var('off') -%} where false {%- endif %}
),

every_list as (
    select context_type, context_id, row_number() over (order by md5(context_type || context_id), context_type, context_id) as place
    from every_candidate
    group by context_type, context_id
),

sample as (
    select context_type, context_id from every_list where place <= {{ most }}
),

candidates as (
    from every_candidate semi join sample using (context_type, context_id)
),

scenarios as (
    select unnest(['', 'every', {% for name in rules_of(placement) %}'{{ name }}'{{ ', ' if not loop.last }}{% endfor %}]) as without
    {%- if placement in (rule('pinned') or []) + (rule('boosted') or []) %}
    union
    select {{ name_of_line() }}
    from {{ source('raw', 'rules') }}
    where rule in ('pin', 'boost')
        and (placement is null or placement = '{{ placement }}')
    {%- endif %}
),

{{ ruled(placement, length_of(placement), scenarios=true) }},

lists as (
    select
        without,
        context_type,
        context_id,
        list(item_id order by rank) as items,
        -- Decimals: sums of doubles differ with the thread count. Of eighteen digits, as a large shop has scores of nine.
        -- What is pinned without a score has none to give.
        sum(coalesce(greatest(model_score, 0) / log2(1 + rank), 0)::decimal(38, 18)) as gain,
        sum(coalesce(greatest(model_score, 0) * price, 0)::decimal(28, 9)) as revenue
    from ruled
    group by without, context_type, context_id
),

compared as (
    select
        scenarios.without as rule,
        coalesce(len(list_filter(
            range(1, greatest(len(coalesce(tonight.items, [])), len(coalesce(other.items, []))) + 1),
            lambda n: tonight.items[n] is distinct from other.items[n]
        )), 0) as n_rows_changed,
        coalesce(tonight.gain, 0) / nullif(best.gain, 0) as ndcg,
        coalesce(other.gain, 0) / nullif(best.gain, 0) as ndcg_without,
        coalesce(tonight.revenue, 0) as revenue,
        coalesce(other.revenue, 0) as revenue_without
    from sample
    cross join scenarios
    left join lists as other using (context_type, context_id, without)
    left join lists as tonight
        on tonight.context_type = sample.context_type
        and tonight.context_id = sample.context_id
        and tonight.without = ''
    left join lists as best
        on best.context_type = sample.context_type
        and best.context_id = sample.context_id
        and best.without = 'every'
    where scenarios.without <> ''
)

select
    'rec_{{ placement }}' as placement,
    rule,
    (select count(*) from every_list)::bigint as n_lists,
    count(*)::bigint as n_lists_compared,
    count(*) filter (n_rows_changed > 0)::bigint as n_lists_changed,
    sum(n_rows_changed)::bigint as n_rows_changed,
    round(avg(ndcg::decimal(18, 9)), 6) as ndcg,
    round(avg(ndcg_without::decimal(18, 9)), 6) as ndcg_without,
    round(avg(revenue::decimal(28, 9)), 6) as revenue,
    round(avg(revenue_without::decimal(28, 9)), 6) as revenue_without
from compared
group by rule
{%- endmacro %}

{# The names of the rules that are on and bear on a placement; lines of the shop's are named by the data. #}
{% macro rules_of(placement) -%}
{%- set names = ['out_of_stock', 'not_on_sale'] -%}
{%- if rule('min_margin') is not none -%}{%- do names.append('min_margin') -%}{%- endif -%}
{%- if rule('blocks') -%}{%- do names.extend(['blocked_brand', 'blocked_category', 'blocked_item']) -%}{%- endif -%}
{%- if rule('withhold_bought') and placement == 'for_you' -%}{%- do names.append('withhold_bought') -%}{%- endif -%}
{%- if rule('margin_weight') -%}{%- do names.append('margin_weight') -%}{%- endif -%}
{%- if rule('fold_variants') -%}{%- do names.append('fold_variants') -%}{%- endif -%}
{%- if placement in rule('placements') -%}
    {%- for column in rule('caps') or {} -%}{%- do names.append('max_per_' ~ column) -%}{%- endfor -%}
    {%- if rule('calibration') is not none and placement in ['for_you', 'discover', 'buy_again'] -%}
        {%- do names.append('calibration') -%}
    {%- endif -%}
{%- endif -%}
{{ return(names) }}
{%- endmacro %}
