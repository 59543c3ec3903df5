"""What can be listed, field by field: tables of getters over values."""
