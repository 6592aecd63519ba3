"""What the files say. Pure: from text to values, from values to plans; no input, no output."""
