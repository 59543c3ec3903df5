"""Disks of guests, by disk template."""
