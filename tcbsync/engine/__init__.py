"""The moving parts: make the cloud agree with the disk, one proved step at a time."""
