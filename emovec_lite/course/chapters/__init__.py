"""A folder for each chapter: `chapter.toml`, its quiz, and a file for each exercise."""
