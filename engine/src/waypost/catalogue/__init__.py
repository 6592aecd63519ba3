"""A catalogue of component libraries: what their repositories say, searched, and as static pages."""
