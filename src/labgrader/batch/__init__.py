"""A whole class: graded side by side, kept as it comes, written as tables at the end."""
