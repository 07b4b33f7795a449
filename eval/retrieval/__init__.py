"""Question sets → rankings → measures, differences and a report."""
