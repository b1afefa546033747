"""Taking in what students hand in: files, folders and archives, read as data."""
