"""What keeps strangers out: API keys, and which addresses the server itself may call."""
