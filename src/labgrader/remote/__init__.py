"""The way to a host: keys, SSH, and the agent at the other end."""
