{{ ruled_shelf('buy_again', "'user'") }}
