"""A PDF → RawFile: characters with boxes → lines in reading order; and spans → their places on a page."""
