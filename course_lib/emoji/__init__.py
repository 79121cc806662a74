"""The emoji world: what a picture shows, how it is drawn, what is said of it, and who judges it."""
