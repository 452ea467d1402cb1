"""A stand-in for the cloud over real HTTP. Shares no code with the client, on purpose."""
