"""New repositories and components, written from templates."""
