"""The service under a real systemd: a Debian that is booted in a container, and the package installed in it."""
