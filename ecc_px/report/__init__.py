"""Pictures of a brain and its cells."""
