"""The state store: durable rows, written in batches, each a revision."""
