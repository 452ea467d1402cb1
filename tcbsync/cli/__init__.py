"""The command line: verbs and exit codes."""
