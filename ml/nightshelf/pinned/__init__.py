"""What a night goes by from its first step to its last, whatever lands or changes meanwhile: the rows and the
published nights that it reads (inputs.py, with following.py and restated.py), and the models' settings
(settings.py).
"""
