"""A template and its values → an HTML page that runs no script and loads nothing from anywhere."""
