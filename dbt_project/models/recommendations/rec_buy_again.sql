-- Habit times dueness. Habit: decayed_count. Dueness: days since the last purchase over the user's
-- own mean gap for the item, 1 when due today, falling both before and after.
with habits as (
    select
        habit.*,
        greatest(habit.days_since_last, 1) / greatest(habit.mean_gap_days, 1) as due
    from {{ ref('feat_user_item') }} as habit
    join {{ ref('dim_items') }} as items using (item_id)
    where habit.as_of = date '{{ var("night") }}'
        and habit.n_days >= 2
        and items.is_offerable
),

scored as (
    select
        user_id as context_id,
        item_id,
        decayed_count * least(due, 1 / due) as score,
        case when {{ is_due('days_since_last', 'mean_gap_days') }} then 'due_again' else 'bought_before' end
            as reason_code
    from habits
),

ordered as (
    select
        *,
        row_number() over (partition by context_id order by score desc, item_id) as rank
    from scored
),

ranked as (
    select *, 'rhythm' as source, [item_id] as evidence
    from ordered
    where rank <= {{ var('k') }}
)

{{ as_shelf('buy_again', "'user'") }}
