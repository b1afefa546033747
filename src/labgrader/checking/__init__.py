"""What checks are written with and judged by: probes, programs, verdicts, and the pytest plugin."""
