"""For those who work on labgrader itself: its tests, linters and benchmark."""
