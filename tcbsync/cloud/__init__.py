"""The cloud's HTTP API. The only room that speaks to the network."""
