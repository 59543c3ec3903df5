"""The job queue: durable jobs, their transitions, their runner, their watchers."""
