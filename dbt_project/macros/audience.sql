{# How long a user may stay away before we call it a lapse: twice their own typical gap, and four weeks
   at least. Whoever has not changed stays away for two median gaps with a chance of a quarter at
   most, since each halves it; below four weeks a holiday would be a lapse. #}
{% macro horizon_days(gap) -%}
    greatest(28, ceil(2 * {{ gap }}))::integer
{%- endmacro %}

{# The part of the day of a UTC instant, on the shop's clock. #}
{% macro day_part(instant) -%}
    ['night', 'morning', 'afternoon', 'evening'][extract('hour' from {{ local_time(instant) }}) // 6 + 1]
{%- endmacro %}

{# The cuts at which interests are learnt, judged and told, by role: 28 days are four whole weeks. #}
{% macro interest_cuts() -%}
    {%- set night = "date '" ~ var('night') ~ "'" -%}
    {{ return({'interest_train': night ~ ' - 56', 'interest_evaluate': night ~ ' - 28', 'serve': night}) }}
{%- endmacro %}

{# 52 whole weeks: habits of an earlier year are history, and every weekday counts as often. #}
{% macro a_year_before(as_of) -%}
    {{ as_of }} - 364
{%- endmacro %}

{# Whether two shares of lines, x of n and x_before of n_before, differ by more than chance: the
   two-proportion z-test at 1 % on both sides. Lines of one basket are no independent draws, so the
   caller asks for two dates as well. #}
{% macro z_of_shares(x, n, x_before, n_before) -%}
    ({{ x }} / {{ n }} - {{ x_before }} / {{ n_before }})
        / nullif(sqrt(
            (({{ x }} + {{ x_before }}) / ({{ n }} + {{ n_before }}))
            * (1 - ({{ x }} + {{ x_before }}) / ({{ n }} + {{ n_before }}))
            * (1 / {{ n }} + 1 / {{ n_before }})
        ), 0)
{%- endmacro %}

{# The user of `rhythms` took nothing for their horizon after its cut. #}
{% macro has_lapsed(returned_on, rhythms) -%}
    coalesce({{ returned_on }} - {{ rhythms }}.as_of >= {{ rhythms }}.horizon_days, true)
{%- endmacro %}

{# "1 day", "21 days". #}
{% macro days(number) -%}
    case when round({{ number }}) = 1 then '1 day' else round({{ number }})::bigint || ' days' end
{%- endmacro %}

{# How long a user of `rhythms` has been away, beside what is usual for them, in words. #}
{% macro days_away(rhythms) -%}
    format('{} since the last, ', {{ days('days_since_last') }})
        || case
            when {{ rhythms }}.own_gap_days is null
                then format('the only one; others come every {}', {{ days('typical_gap_days') }})
            else format('usually {} apart', {{ days('own_gap_days') }})
        end
{%- endmacro %}

{# The ten that each user's ranking puts first: what is scored goes on to twice a list, and in a small
   shop to all that there is, which suits nobody in particular. #}
{% macro best_scored(placement) -%}
select user_id, item_id
from {{ source('ml', placement) }}
qualify row_number() over (partition by user_id order by score desc, item_id) <= 10
{%- endmacro %}
