"""Reports for readers and for other programs: pure functions of `results.Report`."""
