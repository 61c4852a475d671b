"""The status page of the night shift: for people, for monitoring, and for scripts."""
