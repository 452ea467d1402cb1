"""The manifest: which object in the cloud belongs to which path, durably."""
