"""What spreadsheet programs do to data, in both directions."""
