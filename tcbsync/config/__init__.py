"""The configuration: a YAML file becomes frozen values, or every mistake in it is named at once."""
