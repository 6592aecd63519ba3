"""Charts as SVG, coloured by the page's variables: each has a title, a description, and a table beside it."""
