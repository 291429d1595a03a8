"""The report as one HTML file: charts are data in, SVG text out, and nothing is fetched.

Ground rules: text of users is escaped where it becomes markup, and nowhere else. Colours are names
of the style sheet, so that light, dark and paper need no second drawing. No script is needed to
read anything.
"""
