{{ ruled_shelf('bought_together', "'item'") }}
