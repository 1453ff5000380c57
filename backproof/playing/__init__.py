"""Where one plays with a model: in the terminal, or on a page in the browser."""
