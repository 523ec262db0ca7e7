{{ personal_shelf('for_you') }}
