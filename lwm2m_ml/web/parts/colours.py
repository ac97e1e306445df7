"""Colours of charts, which stand on light and on dark."""

GREY = "#7b8794"
"""Lines: 3.7 to 1 on the light panel, 4.4 to 1 on the dark one, where 3 to 1 are AA (WCAG 2.2 §1.4.11)."""
SERIES = ("#2f81d6", "#d9822b", "#2e9e62", "#b45fc9", "#d64550", "#2aa6a6")
