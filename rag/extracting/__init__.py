"""Passages → sentences, values, figures and duties, chosen without a model."""
