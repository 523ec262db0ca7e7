{{ config(tags=['prepare']) }}
-- A returned row is a user's month whose interests do not add up.
select user_id, month, sum(share) as total
from {{ ref('user_interest_history') }}
group by user_id, month
having abs(sum(share) - 1) > 1e-9
