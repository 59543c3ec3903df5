"""How many more instances fit: tiered specs, and how nodes are scored. Pure."""
