-- What the newest line before the night says of each user. A line stands whole: one that leaves the
-- consent out takes back what an older one said of it.
with known as (
    select users.*, files.name as file_name
    from {{ ref('stg_users') }} as users
    join {{ source('raw', 'files') }} as files using (file_id)
    where users.updated_at is null
        or {{ local_date('users.updated_at') }} < date '{{ var("night") }}'
)

select
    user_id,
    region,
    consent
from known
qualify row_number() over (partition by user_id order by {{ newest_first() }}) = 1
order by user_id
