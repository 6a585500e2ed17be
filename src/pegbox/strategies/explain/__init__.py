"""What a search has learned, for people: importances, views along parameters, reasons for suggestions.

`importance.importance`, `view.view` and `reason.reason` take a study, and answer with frozen dataclasses of plain
values; `answers.document` makes JSON's dictionaries of them.
"""
