{{ config(tags=['prepare']) }}
-- A returned row is a user whose taste does not add up as of some date.
select as_of, user_id, sum(share) as total
from {{ ref('feat_user_category') }}
group by as_of, user_id
having abs(sum(share) - 1) > 1e-9
