"""From a published shelf row back to what made it: for a person who asks "why this?"."""
