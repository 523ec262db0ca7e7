{{ config(tags=['shelve']) }}
-- A returned row is a user whose next month does not add up.
select user_id, sum(probability) as total
from {{ ref('user_interest_forecast') }}
group by user_id
having abs(sum(probability) - 1) > 1e-6
