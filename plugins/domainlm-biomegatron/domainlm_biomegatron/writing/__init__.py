"""Writers of predictions in the formats of the field."""
