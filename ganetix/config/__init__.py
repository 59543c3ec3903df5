"""The configuration: immutable snapshots, commits of pure changes, ssconf."""
