"""The commands, one in a file. Each has `register(app)`; `backproof.cli` names the files in the order of `backproof --help`."""
