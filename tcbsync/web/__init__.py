"""What a browser and a monitoring system see of a running daemon. Read-only: nothing that comes in changes anything."""
