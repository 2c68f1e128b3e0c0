"""The doors of conversations. Each view parses, calls one service or selector, and renders."""
