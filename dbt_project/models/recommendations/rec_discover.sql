{{ personal_shelf('discover') }}
