-- From each category up to its root. A parent that is unknown, or that the path has passed already,
-- ends the path: a tree with a circle in it is wrong, and no reason to go round for ever.
with recursive known as (
    select categories.*, files.name as file_name
    from {{ ref('stg_categories') }} as categories
    join {{ source('raw', 'files') }} as files using (file_id)
    where categories.updated_at is null
        or {{ local_date('categories.updated_at') }} < date '{{ var("night") }}'
),

aged as (
    select
        category_id,
        parent_id,
        coalesce(title, category_id) as title,
        row_number() over (partition by category_id order by {{ newest_first() }}) as age
    from known
),

tree as (
    select category_id, parent_id, title from aged where age = 1
),

climbed as (
    select category_id, parent_id as next_id, [category_id] as passed, title as path
    from tree

    union all

    select
        climbed.category_id,
        tree.parent_id,
        list_append(climbed.passed, tree.category_id),
        tree.title || ' > ' || climbed.path
    from climbed
    join tree on tree.category_id = climbed.next_id
    where not list_contains(climbed.passed, climbed.next_id)
)

select
    category_id,
    arg_max(path, len(passed)) as category_path,
    max(len(passed))::integer as n_levels
from climbed
group by category_id
order by category_id
