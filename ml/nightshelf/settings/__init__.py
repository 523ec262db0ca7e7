"""What a shop and the models are told: shop files (shop.py, with rules.py and exploration.py), the models'
settings (models.py), and what both are made of (strict.py). A wrong word in either is a SettingsError.
"""
