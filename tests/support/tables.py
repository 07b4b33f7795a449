"""Cells that a spreadsheet or Markdown would not take for plain text."""

NASTY_CELLS = [
    "=1+1",
    "+82-2",
    "-5%",
    "@SUM(A1)",
    "＝1",
    "\t=1",
    "\r=1",
    ' ="x"',
    "'=1",
    'a"b',
    "a,b",
    "a\nb",
    "a|b",
    "\\|",
    "<script>",
]
