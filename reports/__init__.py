"""Reports: results as a page, as Markdown, as JSON and in the terminal."""
