"""A disk index → checked, repaired, compacted, backed up, upgraded, calibrated."""
