"""Events to numbers with unit and interval."""
