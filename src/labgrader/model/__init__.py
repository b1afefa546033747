"""The lab and its results as values: lab.yaml, topology, templates, reports."""
